//! What is taken from `/etc/config/dhcp`, where dnsmasq reads too.

use std::path::Path;

use upxe::config::{Boot, DnsmasqPorts};

use super::{LAN, clean, complaints, load_texts};

const UPXE: &str = "config upxe main\n";

/// A boot line in short: tags, file, server name, server.
fn short(boot: &Boot) -> String {
    let tags: Vec<String> =
        boot.when.iter().map(|test| format!("{}{}", if test.set { "" } else { "!" }, test.tag)).collect();
    let server = boot.server.map_or(String::new(), |server| server.to_string());
    format!("{}|{}|{}|{server}", tags.join(","), boot.file, boot.server_name)
}

fn boots(dhcp: &str) -> Vec<String> {
    clean(UPXE, dhcp).rules.boots.iter().map(short).collect()
}

/// `dhcp_boot` values and what they come to.
const LINES: &[(&str, &str)] = &[
    ("pxelinux.0", "|pxelinux.0||"),
    ("pxelinux.0,nas,192.168.1.5", "|pxelinux.0|nas|192.168.1.5"),
    ("pxelinux.0,,192.168.1.5", "|pxelinux.0||192.168.1.5"),
    ("pxelinux.0,box", "|pxelinux.0|box|"),
    (",,192.168.1.5", "|||192.168.1.5"),
    (",,", "|||"),
    ("a,b,nas", "|a|b|192.168.1.5"),
    ("a,b,NAS.lan", "|a|b|192.168.1.5"),
    ("a,b,0.0.0.0", "|a|b|"),
    (" a , b , 192.168.1.5 ", "|a|b|192.168.1.5"),
    ("tag:bios,a", "bios|a||"),
    ("net:bios,a", "bios|a||"),
    ("tag:x,tag:!y,net:#z,a,,192.168.1.5", "x,!y,!z|a||192.168.1.5"),
    ("tag:x,", "x|||"),
    ("http://192.168.1.5/boot.php?arch=${buildarch}", "|http://192.168.1.5/boot.php?arch=${buildarch}||"),
    ("dir with space/a.efi", "|dir with space/a.efi||"),
];

#[test]
fn dhcp_boot_as_an_option_and_as_a_list_of_one() {
    for (line, expected) in LINES {
        for word in ["option", "list"] {
            assert_eq!(boots(&format!("config dnsmasq\n{word} dhcp_boot '{line}'\n")), [*expected], "{line}");
        }
    }
}

/// Files and what is said of them.
const COMPLAINTS: &[(&str, &[&str])] = &[
    (
        "config dnsmasq\nlist dhcp_boot tag:bios,a\nlist dhcp_boot tag:efi,b\n",
        &["dhcp:2: warning: option dhcp_boot: dnsmasq takes all items of this list for one line, and boots only the \
           first file; upxe reads each item as a line. For one file per architecture, config boot sections serve both"],
    ),
    (
        "config dnsmasq\noption dhcp_boot set:x,a\n",
        &[
            "dhcp:2: warning: option dhcp_boot: upxe reads set: as tag:, while dnsmasq takes it for a part of the file's \
           name",
        ],
    ),
    (
        "config dnsmasq\noption dhcp_boot tag:x\n",
        &["dhcp:2: warning: option dhcp_boot: found 'tag:x', expected something behind the tags"],
    ),
    (
        "config dnsmasq\noption dhcp_boot tag:!,a\n",
        &["dhcp:2: warning: option dhcp_boot: found 'tag:!', expected a tag's name of 1 to 255 bytes"],
    ),
    (
        "config dnsmasq\noption dhcp_boot a,b,pluto\n",
        &["dhcp:2: warning: option dhcp_boot: found 'pluto', expected an IPv4 address, or a name from /etc/hosts"],
    ),
    (
        "config dnsmasq\noption dhcp_boot 'a,b,192.168.1.5 c,d'\n",
        &["dhcp:2: warning: option dhcp_boot: found '192.168.1.5 c,d', expected an IPv4 address, or a name from \
             /etc/hosts"],
    ),
    (
        "config dnsmasq\noption dhcp_boot a\noption dhcp_boot b\n",
        &["dhcp:3: warning: option dhcp_boot: this value replaces the one of line 2, which has no effect"],
    ),
    (
        "config dnsmasq\noption tftp_root /mnt\n",
        &["dhcp:2: note: option tftp_root: upxe serves this folder too, since no tftp_root of its own is set"],
    ),
    ("config dnsmasq\noption enable_tftp 1\n", &[]),
    (
        "config dnsmasq\nconfig dnsmasq guest\noption enable_tftp 1\noption tftp_root /mnt\n",
        &[
            "dhcp:3: warning: option enable_tftp: dnsmasq serves TFTP itself and holds port 69; switch that off (uci set \
             dhcp.guest.enable_tftp='0'; uci commit dhcp; service dnsmasq restart), or upxe's (uci set \
             upxe.main.tftp='0')",
            "dhcp:4: note: option tftp_root: upxe serves this folder too, since no tftp_root of its own is set",
        ],
    ),
    (
        "config dnsmasq\noption tftp_root mnt\n",
        &["dhcp:2: warning: option tftp_root: found 'mnt', expected an absolute path without blanks"],
    ),
    (
        "config dnsmasq\nlist pxe_service x86PC,a,b\nlist pxe_service x64,a,b\n",
        &["dhcp:3: warning: option pxe_service: found 'x64', expected an architecture (x86PC, x86-64_EFI, …, or its \
             number), a comma, and a text for the menu"],
    ),
    ("config dnsmasq\noption cachesize 150\nlist server 9.9.9.9\n", &[]),
    ("config host\noption ip 1.2.3.4\nconfig odhcpd\nconfig tag x\nconfig relay\n", &[]),
    ("config match\n", &["dhcp:1: warning: option networkid: missing, and so the section has no effect"]),
    ("config host\noption name box\noption mac 11:22:33:44:55:66\noption dns 1\n", &[]),
    (
        "config host\noption name b_x\noption mac 11:22:33:44:55\nconfig host\noption name -x\noption mac no\n",
        &["dhcp:4: warning: option mac: found '-x', expected a hardware address, an IPv4 address, a host's name or a \
             lease time"],
    ),
    (
        "config boot\noption serveraddress 1.2.3.4\n",
        &["dhcp:1: warning: option filename: without a filename dnsmasq passes over this section, and so does upxe"],
    ),
    (
        "config boot\noption filename a\noption serveraddress 1.2.3.4\n",
        &["dhcp:1: note: option serveraddress: upxe heeds this section, though dnsmasq does not, which wants a \
           servername too"],
    ),
    (
        "config boot\noption filename a\noption servername b\noption serveraddress pluto\n",
        &["dhcp:4: warning: option serveraddress: no address of 'pluto' is known here (/etc/hosts): upxe passes over \
           this line"],
    ),
];

#[test]
fn what_is_said_of_the_dhcp_file() {
    for (text, expected) in COMPLAINTS {
        assert_eq!(complaints(UPXE, text, LAN), *expected, "{text}");
    }
}

#[test]
fn our_own_lines_come_last_and_so_win() {
    let dhcp = "config boot\noption filename second\nconfig dnsmasq\noption dhcp_boot first\n";
    let upxe = "config boot\noption filename third\nconfig upxe main\nconfig boot\noption filename fourth\n";
    let config = clean(upxe, dhcp);
    let files: Vec<&str> = config.rules.boots.iter().map(|boot| boot.file.as_str()).collect();
    assert_eq!(files, ["first", "second", "third", "fourth"]);
    let places: Vec<String> = config.rules.boots.iter().map(|boot| boot.origin.to_string()).collect();
    assert_eq!(places, ["dhcp:4", "dhcp:1", "upxe:1", "upxe:4"]);
}

#[test]
fn sections_of_a_dnsmasq_that_is_off_are_passed_over() {
    let dhcp = "config dnsmasq off\noption disabled 1\noption dhcp_boot a\noption tftp_root /off\n\
                config dnsmasq on\noption dhcp_boot b\n\
                config boot\noption filename c\noption instance off\n\
                config boot\noption filename d\noption instance on\n";
    assert_eq!(boots(dhcp), ["|b||", "|d||"]);
}

#[test]
fn boot_sections_carry_tags_names_and_addresses() {
    let dhcp = "config boot 'efi'\noption filename 'ipxe.efi'\noption networkid 'efi64,tag:!ipxe'\n\
                option servername 'nas'\noption serveraddress 'nas'\nlist networkid_ x\n";
    let (config, _) = load_texts(UPXE, dhcp, LAN);
    assert_eq!(short(&config.unwrap().rules.boots[0]), "efi64,!ipxe|ipxe.efi|nas|192.168.1.5");
}

#[test]
fn names_are_known_from_the_domain_sections_too() {
    let dhcp =
        "config dnsmasq\noption dhcp_boot a,,pluto\nconfig domain\noption name 'mars pluto'\noption ip 10.0.0.9\n";
    assert_eq!(boots(dhcp), ["|a||10.0.0.9"]);
}

#[test]
fn the_folder_of_dnsmasq_counts_until_there_is_one_of_our_own() {
    let dhcp = "config dnsmasq\noption tftp_root /stock\n";
    let root = |upxe: &str| load_texts(upxe, dhcp, LAN).0.unwrap().tftp.root;
    assert_eq!(root(UPXE), Path::new("/stock"));
    assert_eq!(root("config upxe main\noption tftp_root /own\n"), Path::new("/own"));
}

#[test]
fn with_our_tftp_off_the_files_of_dnsmasq_are_offered() {
    let (upxe, dhcp) =
        ("config upxe main\noption tftp 0\n", "config dnsmasq\noption tftp_root /stock\noption enable_tftp 1\n");
    let note = "dhcp:2: note: option tftp_root: upxe offers the files of this folder, for dnsmasq to send";
    assert_eq!(complaints(upxe, dhcp, LAN), [note]);
    assert_eq!(load_texts(upxe, dhcp, LAN).0.unwrap().tftp.root, Path::new("/stock"));
}

#[test]
fn ports_that_dnsmasq_wants_are_left_to_it() {
    let ports = |dhcp: &str| load_texts(UPXE, dhcp, LAN).0.unwrap().dnsmasq;
    assert_eq!(ports("config dnsmasq\n"), DnsmasqPorts::default());
    assert!(ports("config dnsmasq\noption tftp_root /stock\noption enable_tftp 1\n").tftp);
    assert!(!ports("config dnsmasq\noption enable_tftp 1\n").tftp, "dnsmasq.init wants both");
    assert!(ports("config dnsmasq\nlist pxe_service 'x86PC,boot,pxelinux'\n").boot_server);
    assert!(ports("config dnsmasq\noption pxe_prompt 'F8,3'\n").boot_server);
    assert!(!ports("config dnsmasq\noption disabled 1\noption pxe_prompt 'F8,3'\n").boot_server);
}
