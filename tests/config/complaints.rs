//! Wrong values in our own file: each complaint in full.

use upxe::config::Overrides;
use upxe::config::dnsmasq::files::NoFiles;
use upxe::config::load::{Sources, load};
use upxe::config::rules::Web;

use super::{LAN, clean, complaints, lines, sources};

/// Options of `config upxe`, one to a file, and what is said of them; nothing for good ones.
const OPTIONS: &[(&str, &str)] = &[
    ("option enabled 1", ""),
    ("option enabled yes", ""),
    ("option enabled disabled", ""),
    ("option enabled ''", ""),
    ("option enabled maybe", "upxe:2: option enabled: found 'maybe', expected 1 or 0"),
    ("option enabled Yes", "upxe:2: option enabled: found 'Yes', expected 1 or 0"),
    ("option enabled 2", "upxe:2: option enabled: found '2', expected 1 or 0"),
    ("list enabled 1", ""),
    ("list enabled ''", ""),
    ("list enabled 1\nlist enabled 0", "upxe:2: option enabled: found a list of several items, expected one value"),
    ("option tftp_max 1", ""),
    ("option tftp_max 1024", ""),
    ("option tftp_max 0", "upxe:2: option tftp_max: found '0', expected a number from 1 to 1024"),
    ("option tftp_max 1025", "upxe:2: option tftp_max: found '1025', expected a number from 1 to 1024"),
    ("option tftp_max many", "upxe:2: option tftp_max: found 'many', expected a number from 1 to 1024"),
    ("option tftp_max +5", "upxe:2: option tftp_max: found '+5', expected a number from 1 to 1024"),
    (
        "option tftp_max 99999999999999999999",
        "upxe:2: option tftp_max: found '99999999999999999999', expected a number from 1 to 1024",
    ),
    ("option tftp_root srv", "upxe:2: option tftp_root: found 'srv', expected an absolute path without blanks"),
    (
        "option tftp_root 'https://x'",
        "upxe:2: option tftp_root: found 'https://x', expected an absolute path without blanks",
    ),
    ("option tftp_root /", "upxe:2: warning: option tftp_root: the whole file system would be served"),
    ("option tftp_root '/a\tb'", "upxe:2: option tftp_root: found '/a\\tb', expected an absolute path without blanks"),
    (
        "list tftp_allow /a\nlist tftp_allow b",
        "upxe:3: option tftp_allow: found 'b', expected absolute paths without blanks",
    ),
    ("option log_level warn", ""),
    (
        "option log_level warning",
        "upxe:2: option log_level: found 'warning', expected error, warn, info, debug or trace",
    ),
    ("option script 'http://192.168.1.1/boot.php?mac=${mac}'", ""),
    ("option script 'a\nb'", "upxe:2: option script: found 'a\\nb', expected text of 1 to 127 bytes"),
    ("option http 1", ""),
    ("option http_port 1024", ""),
    ("option http_port 80", "upxe:2: option http_port: found '80', expected a number from 1024 to 65535"),
    ("option http_base 'http://nas'", ""),
    ("option http_base 'http://192.168.1.5:8080/boot/x-1.0_a~b/'", ""),
    (
        "option http 1\noption http_base 'http://nas'",
        "upxe:2: warning: option http: http_base names another web server, so the router's own is not started; take one of \
         them out",
    ),
    ("option tftp_maxx 5", "upxe:2: warning: option tftp_maxx: unknown, and without effect; did you mean 'tftp_max'?"),
    ("option tftproot /a", "upxe:2: warning: option tftproot: unknown, and without effect; did you mean 'tftp_root'?"),
    (
        "list interfaces lan",
        "upxe:2: warning: option interfaces: unknown, and without effect; did you mean 'interface'?",
    ),
    ("option colour red", "upxe:2: warning: option colour: unknown, and without effect"),
    (
        "option script a\noption script b",
        "upxe:3: warning: option script: this value replaces the one of line 2, which has no effect",
    ),
];

#[test]
fn each_option_is_checked() {
    for (option, expected) in OPTIONS {
        let found = complaints(&format!("config upxe main\n{option}\n"), "", LAN);
        let expected: Vec<&str> = Some(*expected).filter(|line| !line.is_empty()).into_iter().collect();
        assert_eq!(found, expected, "{option}");
    }
}

/// It goes to scripts and to firmware, so nothing may stand in it that means something there.
#[test]
fn a_base_is_the_url_of_a_folder() {
    for bad in [
        "nas",
        "https://nas/",
        "http://",
        "http:///boot",
        "http://nas:0/",
        "http://nas:65536/",
        "http://nas:/",
        "http://user@nas/",
        "http://[::1]/",
        "http://-nas/",
        "http://nas/a b",
        "http://nas/${mac}",
        "http://nas/?a=b",
        "http://nas/#a",
        "http://nas/a||shell",
        "http://nas/a%0a",
        "http://nas/a;b",
        "http://nas/\u{fc}",
        "http://nas/a-folder-so-deep-that-no-name-of-a-file-would-fit-behind-it-in-the-file-field",
    ] {
        let found = complaints(&format!("config upxe main\n\toption http_base '{bad}'\n"), "", LAN);
        let says = |line: &String| {
            let shown: String = bad.chars().take(50).collect();
            line.starts_with(&format!("upxe:2: option http_base: found '{shown}"))
                && line.ends_with(", expected http://HOST[:PORT]/[FOLDER/], at most 79 bytes")
        };
        assert!(found.len() == 1 && says(&found[0]), "{found:?}");
    }
    for (good, base) in [("http://nas/", "http://nas"), ("http://1.2.3.4:81/a//", "http://1.2.3.4:81/a")] {
        let config = clean(&format!("config upxe main\n\toption http_base '{good}'\n"), "");
        assert_eq!(config.rules.web, Some(Web::At(base.to_owned())));
    }
}

/// Without a web server nobody is told of it.
#[test]
fn http_needs_uhttpd() {
    const HTTP: &str = "config upxe main\n\toption http 1\n";
    assert_eq!(clean(HTTP, "").rules.web, Some(Web::Own(8069)));
    let port = clean(&format!("{HTTP}\toption http_port 8081\n"), "").rules.web;
    assert_eq!(port.map(|web| web.base([10, 0, 0, 1].into())).as_deref(), Some("http://10.0.0.1:8081"));
    let without = Sources { uhttpd: false, ..sources(HTTP, "", LAN) };
    let (config, diagnostics) = load(&without, &Overrides::default(), &mut NoFiles);
    assert_eq!(config.unwrap().rules.web, None);
    let said = lines(&diagnostics);
    assert!(said[0].starts_with("upxe:2: warning: option http: /usr/sbin/uhttpd is not there, so"), "{said:?}");
    let elsewhere =
        Sources { uhttpd: false, ..sources("config upxe main\n\toption http_base 'http://nas'\n", "", LAN) };
    assert_eq!(load(&elsewhere, &Overrides::default(), &mut NoFiles).1, []);
}

/// Other sections of the file.
const SECTIONS: &[(&str, &[&str])] = &[
    ("config boot\noption filename a\n", &[]),
    ("config boot\noption filename a\noption serveraddress nas\noption networkid 'tag:bios,!ipxe'\n", &[]),
    (
        "config boot\noption servername_ a\n",
        &[
            "upxe:1: warning: option filename: this section has neither filename nor serveraddress, and no effect",
            "upxe:2: warning: option servername_: unknown, and without effect; did you mean 'servername'?",
        ],
    ),
    (
        "config boot\noption serveraddress pluto\n",
        &["upxe:2: option serveraddress: found 'pluto', expected an IPv4 address, or a name from /etc/hosts"],
    ),
    (
        "config boot\noption serveraddress 10.0.0.300\n",
        &["upxe:2: option serveraddress: found '10.0.0.300', expected an IPv4 address, or a name from /etc/hosts"],
    ),
    (
        "config boot\noption filename a\noption networkid 'a,,b'\n",
        &["upxe:3: option networkid: found 'a,,b', expected tags parted by commas, ! before a tag negates it"],
    ),
    ("config boot\noption filename a\nlist dhcp_option 210,/x\n", &[]),
    (
        "config boot\noption filename a\nlist dhcp_option 3,x\n",
        &["upxe:3: option dhcp_option: found 'x', expected an IPv4 address"],
    ),
    ("config boots\n", &["upxe:1: warning: config boots: unknown, and without effect; did you mean 'config boot'?"]),
    ("config dnsmasq\n", &["upxe:1: warning: config dnsmasq: unknown, and without effect"]),
    ("config match\n", &["upxe:1: warning: option networkid: missing, and so the section has no effect"]),
    (
        "config match\noption networkid a\n",
        &["upxe:1: warning: option match: missing, and so the section has no effect"],
    ),
    (
        "config mac\noption networkid a\noption mac hello\n",
        &["upxe:3: option mac: found 'hello', expected a hardware address, * for any of its bytes"],
    ),
    ("config upxe main\nconfig upxe other\n", &["upxe:2: warning: config upxe: only the first such section is read"]),
];

#[test]
fn each_section_is_checked() {
    for (text, expected) in SECTIONS {
        assert_eq!(complaints(text, "", LAN), *expected, "{text}");
    }
}

#[test]
fn every_error_is_named_at_once_in_the_order_of_lines() {
    let upxe = "config upxe main\noption tftp_max x\noption enabled x\nconfig boot\noption serveraddress ?\n";
    let dhcp = "config dnsmasq\noption dhcp_boot tag:\n";
    assert_eq!(
        complaints(upxe, dhcp, LAN),
        [
            "upxe:2: option tftp_max: found 'x', expected a number from 1 to 1024",
            "upxe:3: option enabled: found 'x', expected 1 or 0",
            "upxe:5: option serveraddress: found '?', expected an IPv4 address, or a name from /etc/hosts",
            "dhcp:2: warning: option dhcp_boot: found 'tag:', expected a tag's name of 1 to 255 bytes",
        ]
    );
}

#[test]
fn values_are_checked_in_spite_of_errors_of_form() {
    assert_eq!(
        complaints("config upxe main\noption enabled\noptoin x y\noption tftp_max 0\n", "", LAN),
        [
            "upxe:3:1: found 'optoin', expected config, option, list or package",
            "upxe:4: option tftp_max: found '0', expected a number from 1 to 1024",
        ]
    );
}

#[test]
fn a_file_name_fits_its_field() {
    let fits = "f".repeat(127);
    let long = "f".repeat(128);
    assert_eq!(clean(&format!("config boot\noption filename {fits}\n"), "").rules.boots[0].file, fits);
    let shown = "f".repeat(60);
    for (upxe, dhcp, line) in [
        (
            format!("config boot\noption filename {long}\n"),
            String::new(),
            format!("upxe:2: option filename: found '{shown}…', expected text of 1 to 127 bytes"),
        ),
        (
            "config upxe\n".to_owned(),
            format!("config dnsmasq\noption dhcp_boot {long},,\n"),
            format!("dhcp:2: warning: option dhcp_boot: found '{shown}…', expected a file name of at most 127 bytes"),
        ),
    ] {
        assert!(complaints(&upxe, &dhcp, LAN).contains(&line), "{line}");
    }
}

#[test]
fn values_that_are_not_text_are_refused_where_text_is_needed() {
    let mut sources = super::sources("config upxe\n", "", LAN);
    sources.upxe.text = Some(b"config upxe main\noption script '\xff'\noption unread '\xfe'\n".to_vec());
    let (config, diagnostics) = upxe::config::load(&sources, &Default::default(), &mut NoFiles);
    assert_eq!(config, None);
    assert_eq!(
        super::lines(&diagnostics),
        [
            "upxe:2: option script: found '\u{fffd}', expected text of 1 to 127 bytes, in UTF-8",
            "upxe:3: warning: option unread: unknown, and without effect",
        ]
    );
}

#[test]
fn no_file_at_all_gives_the_defaults() {
    let (config, diagnostics) = super::load_texts("", "", "");
    let config = config.unwrap();
    assert!(!config.enabled && config.tftp.enabled && config.rules.no_override);
    assert_eq!(config.tftp.root, std::path::Path::new("/srv/tftp"));
    assert_eq!((config.tftp.max_transfers, config.tftp.allow.len()), (64, 0));
    assert_eq!((config.rules.script, config.rules.boots.len()), (None, 0));
    assert_eq!((config.user.as_str(), config.log_level), ("upxe", log::LevelFilter::Info));
    assert_eq!((config.interfaces[0].name.as_str(), config.interfaces[0].device.as_str()), ("lan", "lan"));
    assert_eq!(
        super::lines(&diagnostics),
        [
            "upxe: note: no such file: the defaults hold",
            "upxe: note: option interface: no interface 'lan' in network: taken for a device's name",
        ]
    );
}

#[test]
fn every_option_reaches_the_configuration() {
    let config = clean(
        "config upxe main\noption enabled on\noption tftp off\noption tftp_root /mnt/usb\nlist tftp_allow /usr/lib\n\
         list tftp_allow /opt\noption tftp_max 7\noption tftp_single_port 1\noption script s.ipxe\n\
         option no_override 0\noption user u\noption log_level trace\n",
        "",
    );
    assert!(config.enabled && !config.tftp.enabled && !config.rules.no_override);
    assert_eq!(config.tftp.root, std::path::Path::new("/mnt/usb"));
    assert_eq!(config.tftp.allow, ["/usr/lib", "/opt"].map(std::path::PathBuf::from));
    assert_eq!(config.tftp.max_transfers, 7);
    assert!(config.tftp.single_port);
    assert_eq!(config.rules.script.as_deref(), Some("s.ipxe"));
    assert_eq!((config.user.as_str(), config.log_level), ("u", log::LevelFilter::Trace));
}

/// The boot menu.
const MENUS: &[(&str, &[&str])] = &[
    ("config menu\noption timeout 0\nconfig entry a\noption kernel k\nlist initrd 'a b'\noption append 'x y'\n", &[]),
    (
        "config menu\noption timeout soon\nconfig menu\nconfig entry a\noption kind local\n",
        &[
            "upxe:2: option timeout: found 'soon', expected a number from 0 to 3600",
            "upxe:3: warning: config menu: only the first such section is read",
        ],
    ),
    (
        "config entry a\nconfig entry b\noption kind linux\nconfig entry c\noption kind iso\noption kernel k\n",
        &[
            "upxe:1: warning: option kind: missing, and so the entry boots nothing and is left out; give it a kernel, a \
             url or a kind",
            "upxe:2: warning: option kernel: missing, and so the entry boots nothing and is left out: its kind needs it",
            "upxe:4: warning: option url: missing, and so the entry boots nothing and is left out: its kind needs it",
        ],
    ),
    (
        "config entry a\noption kind windows\n",
        &["upxe:2: option kind: found 'windows', expected linux, iso, wimboot, chain, iscsi, memtest, local or shell"],
    ),
    (
        "config entry a\noption kind local\nlist arch mips\nlist host 'a b'\nlist host '-a'\nlist serial 'a;b'\n",
        &[
            "upxe:3: option arch: found 'mips', expected bios, ia32, x64, arm32, arm64, …",
            "upxe:4: option host: found 'a b', expected MAC, UUID or NAME",
            "upxe:5: option host: found '-a', expected MAC, UUID or NAME",
            "upxe:6: option serial: found 'a;b', expected letters, digits, space, - _ .",
        ],
    ),
    (
        "config entry a\noption url 'http://x/a b'\n",
        &["upxe:2: option url: found 'http://x/a b', expected text of 1 to 255 bytes"],
    ),
    (
        "config entry a\noption kernel k\noption append 'a\nb'\n",
        &["upxe:3: option append: found 'a\\nb', expected text of 1 to 1024 bytes"],
    ),
    (
        "config entri a\noption kind local\n",
        &["upxe:1: warning: config entri: unknown, and without effect; did you mean 'config entry'?"],
    ),
    ("config entry a\noption enable 0\nlist arch mips\n", &[]),
    (
        "config menu\noption title x\n",
        &[
            "upxe:1: warning: config menu: there is no menu without a config entry 'NAME' section for each thing to boot",
        ],
    ),
    (
        "config entry\noption kind local\n",
        &["upxe:1: warning: config entry: has no name, and is called cfg01f957 then; name it: config entry 'NAME'"],
    ),
    (
        "config entry a\noption kind local\noption kernel k\nconfig entry b\noption kernel k\noption url u\n",
        &[
            "upxe:3: warning: option kernel: without effect in an entry of kind local: take it out, or the kind",
            "upxe:6: warning: option url: without effect in an entry of kind linux: take it out, or the kind",
        ],
    ),
];

#[test]
fn menus_are_checked() {
    for (text, expected) in MENUS {
        let found: Vec<String> = complaints(text, "", LAN);
        assert_eq!(found, *expected, "{text}");
    }
    let many: String = (0..65).map(|at| format!("config entry e{at}\noption kind local\n")).collect();
    let found = complaints(&many, "", LAN);
    assert_eq!(found, ["upxe:129: config entry: more of them than a menu has (64)"]);
}

#[test]
fn machines_are_named_by_whole_addresses() {
    const NONE: &str = " is no hardware address, which is six bytes parted by colons: no machine is meant by it";
    let text = "config host\noption name x\nlist mac 52-54-00-12-34-56\nlist mac 52:54:00\nlist mac '52:54:00:*:*:1 06-1:2:3:4:5:6'\n";
    let expected = [("3", "'52-54-00-12-34-56'"), ("4", "'52:54:00'")];
    let expected = expected.map(|(line, mac)| format!("upxe:{line}: warning: option mac: {mac}{NONE}"));
    assert_eq!(complaints(text, "", LAN), expected);
    // dnsmasq's own are its business.
    assert_eq!(complaints("", text, LAN)[..], ["upxe: note: no such file: the defaults hold"]);
}
