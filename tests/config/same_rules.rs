//! The same rule written in `/etc/config/upxe`, in `/etc/config/dhcp` and as a line of dnsmasq.conf is the same rule.

use std::collections::BTreeMap;

use upxe::config::Overrides;
use upxe::config::dnsmasq::files::ConfFiles;
use upxe::config::load::load;
use upxe::config::{Config, Rules};

use super::{LAN, clean, lines, load_texts, sources};

/// Lines, the section that says the same, and whether it may stand in our own file too.
const SAME: &[(&str, &str, bool)] = &[
    ("dhcp-match=set:ipxe,175", "config match\noption networkid ipxe\noption match 175\n", true),
    (
        "dhcp-match=set:x64,option:client-arch,7",
        "config match\noption networkid x64\noption match option:client-arch,7\n",
        true,
    ),
    ("dhcp-match=set:a,60,\"a,b\"", "config match\noption networkid a\noption match '60,\"a,b\"'\n", true),
    (
        "dhcp-vendorclass=set:a,PXEClient:Arch:00007\ndhcp-option=a,210,/x",
        "config vendorclass\noption networkid a\noption vendorclass PXEClient:Arch:00007\nlist dhcp_option 210,/x\n",
        true,
    ),
    ("dhcp-userclass=set:a,iPXE", "config userclass\noption networkid a\noption userclass iPXE\n", true),
    ("dhcp-mac=set:a,52:54:00:*:*:*", "config mac\noption networkid a\noption mac '52:54:00:*:*:*'\n", true),
    ("dhcp-circuitid=set:a,00:ff", "config circuitid\noption networkid a\noption circuitid 00:ff\n", true),
    ("dhcp-remoteid=set:a,port", "config remoteid\noption networkid a\noption remoteid port\n", true),
    ("dhcp-subscrid=set:a,7", "config subscrid\noption networkid a\noption subscriberid 7\n", true),
    (
        "dhcp-host=tag:x,11:22:33:44:55:66,11:22:33:44:55:77,set:a,set:b,set:c,192.168.1.9,box",
        "config host\nlist mac 11:22:33:44:55:66\nlist mac 11:22:33:44:55:77\noption ip 192.168.1.9\noption name box\n\
         option networkid a\nlist tag b\nlist tag c\nlist match_tag x\n",
        true,
    ),
    ("dhcp-host=11:22:33:44:55:66,ignore", "config host\noption mac 11:22:33:44:55:66\noption ip ignore\n", true),
    ("dhcp-host=box,set:a", "config host\noption name box\noption tag a\n", true),
    (
        "dhcp-boot=tag:a,tag:!b,x.efi,name,192.168.1.5\ndhcp-option=a,!b,209,y",
        "config boot\noption filename x.efi\noption servername name\noption serveraddress 192.168.1.5\n\
         option networkid 'a,!b'\nlist dhcp_option 209,y\n",
        true,
    ),
    (
        "dhcp-option-force=tag:thin,17,\"iscsi:192.168.1.5::::disk\"\ndhcp-option-force=tag:thin,175,8:1:1",
        "config tag thin\nlist dhcp_option '17,\"iscsi:192.168.1.5::::disk\"'\nlist dhcp_option 175,8:1:1\noption force 1\n",
        true,
    ),
    (
        "dhcp-option=lan,6,0.0.0.0\ndhcp-option=lan,66,192.168.1.5",
        "config dhcp\noption interface lan\noption dhcp_option '6,0.0.0.0 66,192.168.1.5'\n",
        false,
    ),
    ("dhcp-boot=tag:a,x", "config dnsmasq\noption dhcp_boot tag:a,x\n", false),
    (
        "pxe-service=tag:!ipxe,x86PC,\"Boot, now\",pxelinux\npxe-service=x86-64_EFI,UEFI,a.efi,192.168.1.5\n\
         pxe-prompt=\"Press F8\",5\ndhcp-option=3,0.0.0.0\ndhcp-option-force=209,x",
        "config dnsmasq\nlist pxe_service 'tag:!ipxe,x86PC,\"Boot, now\",pxelinux'\n\
         list pxe_service x86-64_EFI,UEFI,a.efi,192.168.1.5\noption pxe_prompt '\"Press F8\",5'\n\
         list dhcp_option 3,0.0.0.0\nlist dhcp_option_force 209,x\n",
        false,
    ),
];

/// Files by their names.
pub struct Files(pub BTreeMap<String, String>);

impl ConfFiles for Files {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).map(|text| text.as_bytes().to_vec()).ok_or_else(|| "no such file".to_owned())
    }

    fn list(&mut self, folder: &str) -> Result<Vec<String>, String> {
        let beneath = self.0.keys().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'));
        let names: Vec<String> = beneath.map(str::to_owned).collect();
        if names.is_empty() { Err("no such folder".to_owned()) } else { Ok(names) }
    }
}

/// What lines come to, which had better be without fault.
pub fn from_lines(text: &str) -> Config {
    let mut files = Files([("lines".to_owned(), text.to_owned())].into());
    let overrides = Overrides { conf_file: Some("lines".to_owned()), ..Overrides::default() };
    let (config, diagnostics) = load(&sources("config upxe main\n", "", LAN), &overrides, &mut files);
    assert_eq!(lines(&diagnostics), [""; 0], "{text}");
    config.unwrap()
}

/// Rules without the places they were written at.
pub fn shown(rules: &Rules) -> String {
    let text = format!("{rules:#?}");
    let place = |line: &&str| ["file:", "line:"].iter().any(|word| line.trim_start().starts_with(word));
    text.lines().filter(|line| !place(line)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_same_rule_in_three_places_is_the_same_rule() {
    for (lines, section, in_ours_too) in SAME {
        let expected = shown(&from_lines(lines).rules);
        assert_eq!(shown(&clean("config upxe main\n", section).rules), expected, "{section}");
        if *in_ours_too {
            assert_eq!(shown(&clean(&format!("config upxe main\n{section}"), "").rules), expected, "{section}");
        }
    }
}

#[test]
fn menus_and_options_may_stand_in_our_own_section() {
    let ours = "config upxe main\nlist pxe_service x86PC,a,b\nlist pxe_service 7,c,d\noption pxe_prompt e,5\n\
                list dhcp_option_force 209,x\nlist dhcp_option 210,y\n";
    let expected =
        "pxe-service=x86PC,a,b\npxe-service=7,c,d\npxe-prompt=e,5\ndhcp-option=210,y\ndhcp-option-force=209,x";
    assert_eq!(shown(&clean(ours, "").rules), shown(&from_lines(expected).rules));
}

/// What OpenWrt has no section for.
#[test]
fn lines_without_a_section_may_stand_in_our_own() {
    const LINES: &[&str] = &[
        "tag-if=set:a,tag:b,tag:!c",
        "dhcp-ignore=tag:!known",
        "dhcp-name-match=set:lab,lab*",
        "dhcp-range=set:red,192.168.1.0,proxy",
        "dhcp-option-pxe=175,1:1:1",
        "dhcp-pxe-vendor=PXEClient,HW-Client",
        "dhcp-ignore-clid",
        "dhcp-boot=tag:a,\"x, y\"",
    ];
    let ours = LINES.iter().map(|line| format!("list line '{line}'\n"));
    let ours = format!("config upxe main\n{}", ours.collect::<String>());
    assert_eq!(shown(&clean(&ours, "").rules), shown(&from_lines(&LINES.join("\n")).rules));
    // dnsmasq knows no such option.
    assert_eq!(clean("config upxe main\n", "config dnsmasq\nlist line tag-if=set:a\n").rules.tag_ifs, []);
    const EXPECTED: &str = "expected a line about booting in dnsmasq's words, such as tag-if=set:a,tag:b";
    for (line, found) in [
        ("cache-size=5", format!("'cache-size=5', {EXPECTED}")),
        ("tftp-root=/x", format!("'tftp-root=/x', {EXPECTED}")),
        ("tag-if=a", "'a', expected set: or tag: before each tag".to_owned()),
        ("tag-if", "'', expected set: or tag: before each tag".to_owned()),
    ] {
        let (config, diagnostics) = load_texts(&format!("config upxe main\nlist line '{line}'\n"), "", LAN);
        assert_eq!(lines(&diagnostics), [format!("upxe:2: option line: found {found}")]);
        assert!(config.is_none());
    }
}

#[test]
fn dnsmasqs_file_comes_first_then_its_sections_then_ours() {
    let mut files =
        Files([("/etc/dnsmasq.conf".to_owned(), "dhcp-boot=1\nbad line\ndhcp-boot=tag:,x\n".to_owned())].into());
    let mut sources =
        sources("config upxe main\nconfig boot\noption filename 3\n", "config dnsmasq\noption dhcp_boot 2\n", LAN);
    sources.conf_file = Some("/etc/dnsmasq.conf".to_owned());
    let (config, diagnostics) = load(&sources, &Overrides::default(), &mut files);
    let boots = config.unwrap().rules.boots;
    let places: Vec<String> = boots.iter().map(|boot| format!("{} {}", boot.file, boot.origin)).collect();
    assert_eq!(places, ["1 /etc/dnsmasq.conf:1", "2 dhcp:2", "3 upxe:2"]);
    assert_eq!(
        lines(&diagnostics),
        [
            "/etc/dnsmasq.conf:3: warning: dhcp-boot: found 'tag:', expected a tag's name of 1 to 255 bytes; the line is \
          passed over"
        ]
    );
}

/// dnsmasq would end if it came back to a port that it wants and we have.
#[test]
fn what_dnsmasq_reads_in_its_folders_is_heard_of() {
    for (dhcp, folder) in [
        ("config dnsmasq 'one'\n", "/tmp/dnsmasq.one.d"),
        ("config dnsmasq 'one'\n", "/tmp/dnsmasq.d"),
        ("config dnsmasq\noption confdir /etc/mine\n", "/etc/mine"),
    ] {
        let text = "enable-tftp\npxe-service=x86PC,a,b\n";
        let texts = [("/etc/dnsmasq.conf".to_owned(), String::new()), (format!("{folder}/x.conf"), text.to_owned())];
        let mut sources = sources("config upxe main\noption tftp 0\n", dhcp, LAN);
        sources.conf_file = Some("/etc/dnsmasq.conf".to_owned());
        let mut read = |dhcp: String| {
            sources.dhcp.text = Some(dhcp.into_bytes());
            let (config, diagnostics) = load(&sources, &Overrides::default(), &mut Files(texts.clone().into()));
            assert_eq!(lines(&diagnostics), [""; 0]);
            let config = config.unwrap();
            (config.dnsmasq.tftp, config.dnsmasq.boot_server, config.rules.services.len())
        };
        assert_eq!(read(dhcp.to_owned()), (true, true, 1), "{folder}");
        assert_eq!(read(format!("{dhcp}option disabled 1\n")), (false, false, 0), "{folder}");
    }
    // The init script writes it down whatever it is worth.
    let (config, _) =
        load_texts("config upxe main\n", "config dnsmasq\noption enable_tftp 1\noption tftp_root x\n", LAN);
    assert!(config.unwrap().dnsmasq.tftp);
}

#[test]
fn dnsmasqs_tftp_server_is_heard_of_in_its_file_too() {
    let text = "enable-tftp\ntftp-root=/pxe/\n";
    let mut files = Files([("/etc/dnsmasq.conf".to_owned(), text.to_owned())].into());
    let mut sources = sources("config upxe main\n", "", LAN);
    sources.conf_file = Some("/etc/dnsmasq.conf".to_owned());
    let (config, diagnostics) = load(&sources, &Overrides::default(), &mut files);
    assert_eq!(config.unwrap().tftp.root, std::path::Path::new("/pxe/"));
    assert_eq!(
        lines(&diagnostics),
        [
            "/etc/dnsmasq.conf:2: note: tftp-root: upxe serves this folder too, since no tftp_root of its own is set",
            "/etc/dnsmasq.conf:1: warning: enable-tftp: dnsmasq serves TFTP itself and holds port 69; switch that off \
             (take enable-tftp out of that file; service dnsmasq restart), or upxe's (uci set upxe.main.tftp='0')",
        ]
    );
    // A file that was named by hand isn't dnsmasq's.
    assert_eq!(from_lines("tftp-max=9\n").tftp.max_transfers, 9);
    assert!(from_lines("tftp-single-port\n").tftp.single_port && !from_lines("tftp-max=9\n").tftp.single_port);
    assert_eq!(from_lines("enable-tftp\nlog-dhcp\n").tftp.root, std::path::Path::new("/srv/tftp"));
}
