//! What `upxe import` writes is read back as the rules that the lines are.

use upxe::commands::import::import;
use upxe::config::hosts::Hosts;
use upxe::config::{Config, Rules};

use super::same_rules::{from_lines, shown};
use super::{LAN, lines, load_texts};

const HOSTS: &[u8] = b"192.168.1.5 nas.lan nas\n";

fn imported(text: &str) -> (String, Vec<String>) {
    let imported = import("lines", text.as_bytes(), &Hosts { text: HOSTS, sections: &[] });
    (imported.uci, lines(&imported.remarks))
}

/// The configuration that the sections come to, without a word of complaint.
fn read_back(uci: &str) -> Config {
    let (config, diagnostics) = load_texts(&format!("config upxe 'main'\n{uci}"), "", LAN);
    assert_eq!(lines(&diagnostics), [""; 0], "{uci}");
    config.unwrap()
}

/// Rules to compare: sections that set tags and lists of options are read kind by kind, and a range without tags changes
/// nothing.
fn comparable(mut rules: Rules) -> String {
    rules.taggers.sort_by_key(|tagger| format!("{}{:?}", tagger.tag, tagger.condition));
    rules.options.sort_by_key(|option| format!("{:?}{:?}", option.place, option.send));
    rules.ranges.retain(|range| range.set.is_some() || !range.when.is_empty());
    shown(&rules)
}

/// Lines that sections can say.
const LINES: &[&str] = &[
    "dhcp-match=ipxe,175",
    "dhcp-match=set:x64,option:client-arch,7\ndhcp-match=set:x64,option:client-arch,9",
    "dhcp-match=set:a,60,\"PXEClient:Arch:00000\"",
    "dhcp-match=set:a,97,00:*:ff",
    "dhcp-match=set:a,vi-encap:311,\"x y\"",
    "dhcp-vendorclass=set:a,PXEClient\ndhcp-userclass=b,iPXE\ndhcp-mac=set:c,11:22:33:*:*:*",
    "dhcp-userclass=set:a,\"it's\"",
    "dhcp-circuitid=set:a,00:ff\ndhcp-remoteid=set:b,\"00:ff\"\ndhcp-subscrid=set:c,7",
    "dhcp-host=11:22:33:44:55:66,set:kids",
    "dhcp-host=tag:x,tag:!y,11:22:33:44:55:66,06-11:22:33:44:55:77,set:a,net:b,192.168.1.9,box,2h",
    "dhcp-host=box,set:a\ndhcp-host=11:22:33:44:55:66,ignore",
    "dhcp-boot=pxelinux.0",
    "dhcp-boot=net:#gpxe,gpxe.pxe   # not gpxe",
    "dhcp-boot=tag:a,tag:!b,x.efi,name,nas\ndhcp-boot=tag:c,,,10.0.0.1\ndhcp-boot=tag:d,\"a,b\"",
    "dhcp-boot=net:ipxe,http://10.0.0.9/ipxe.php?mac=${mac}&uuid=${uuid}",
    "pxe-service=net:#ipxe,x86PC, \"splashtop by richud.com\", undionly.kkpxe\npxe-service=x86-64_EFI,\"a, b\",a.efi,nas",
    "pxe-service=x86PC,local\npxe-service=x86PC,wds,15,10.0.0.1\npxe-prompt=\"Press \\\"F8\\\"\",5",
    "pxe-prompt=tag:a,one\npxe-prompt=tag:!a,two,3",
    "dhcp-option=175,8:1:1\ndhcp-option-force=209,pxelinux.cfg/default\ndhcp-option-force=210,http://10.0.0.1:81/",
    "dhcp-option=tag:a,!b,encap:175,8,1b\ndhcp-option=vendor:PXEClient,6,2b\ndhcp-option=17,\"iscsi:10.0.0.1::::x\"",
    "dhcp-option=option:root-path,\"192.168.1.1\"\ndhcp-option=150,0.0.0.0",
    "dhcp-range=192.168.2.0,proxy\nlog-dhcp\nport=0",
    "dhcp-match=set:x,175\ntag-if=set:a,set:c,tag:x,tag:!b\ntag-if=set:d,tag:a*\ntag-if=set:e",
    "dhcp-ignore=tag:!known,#x\ndhcp-ignore=lan",
    "dhcp-name-match=set:lab,lab*\ndhcp-name-match=set:nas,nas\ndhcp-ignore-clid",
    "dhcp-range=set:red,tag:!x,192.168.1.0,proxy,255.255.255.0\ndhcp-range=set:it's,192.168.3.10,192.168.3.99,12h",
    "dhcp-option-pxe=tag:x,175,1:1:1\ndhcp-option-pxe=209,\"a, b\"",
    "dhcp-pxe-vendor=PXEClient,HW-Client,\"a, b\"",
    "dhcp-host=id:01:02,set:a\ndhcp-host=id:*,11:22:33:44:55:99,set:b\ndhcp-host=id:box,tag:!x,set:c",
    // Bytes that mean something to UCI, to the shell, or to nobody.
    "pxe-prompt=\"it's\\t'\u{1}' \\\\\"\ndhcp-vendorclass=set:a,\"'$x' #; \"\ndhcp-boot=a\\b;#c",
    "dhcp-userclass=set:\"a,b\",x\ndhcp-mac=set:\"#a\",11:22:33:44:55:66\ndhcp-vendorclass=\"set:a\",\" x \"",
];

#[test]
fn sections_say_what_the_lines_say() {
    for text in LINES {
        let (uci, remarks) = imported(text);
        assert_eq!(remarks, [""; 0], "{text}");
        let expected = comparable(from_lines(text).rules);
        assert_eq!(comparable(read_back(&uci).rules), expected, "{text}\n{uci}");
    }
    let all = LINES.join("\n");
    assert_eq!(comparable(read_back(&imported(&all).0).rules), comparable(from_lines(&all).rules));
}

#[test]
fn a_file_becomes_sections_to_append() {
    let (uci, _) = imported(
        "enable-tftp\ntftp-root=/pxe/\ntftp-max=5000\ntftp-single-port\ndhcp-no-override\ndhcp-match=ipxe,175\n\
         tag-if=set:a,tag:ipxe\ndhcp-boot=net:ipxe,it's.ipxe\npxe-service=net:#ipxe,x86PC, \"PXE\", undionly.kkpxe\n",
    );
    assert_eq!(
        uci,
        "config upxe 'main'\n\
         \toption tftp '1'\n\
         \toption tftp_root '/pxe/'\n\
         \toption tftp_max '1024'\n\
         \toption tftp_single_port '1'\n\
         \toption no_override '1'\n\
         \tlist line 'tag-if=set:a,tag:ipxe'\n\
         \tlist pxe_service 'net:#ipxe,x86PC, \"PXE\", undionly.kkpxe'\n\
         \n\
         config match\n\
         \toption networkid 'ipxe'\n\
         \toption match '175'\n\
         \n\
         config boot\n\
         \toption filename 'it'\\''s.ipxe'\n\
         \toption networkid 'ipxe'\n"
    );
    let config = read_back(&uci);
    assert_eq!((config.tftp.root.as_path(), config.tftp.max_transfers), (std::path::Path::new("/pxe/"), 1024));
    assert!(config.tftp.single_port && config.rules.tag_ifs.len() == 1);
}

#[test]
fn bytes_that_are_no_text_stay_in_lines() {
    for line in [&b"dhcp-option=128,\xff"[..], b"dhcp-option=128,\"\xff\""] {
        let imported = import("lines", line, &Hosts { text: HOSTS, sections: &[] });
        assert!(imported.uci.starts_with("# dhcp-option=128,"), "{}", imported.uci);
        assert_eq!(imported.remarks.len(), 1);
    }
    // A comment with a NUL in it would make a file of no use.
    let imported = import("lines", b"conf-dir=/x\0\xff", &Hosts { text: HOSTS, sections: &[] });
    assert_eq!(imported.uci, "# conf-dir=/x\n");
}

#[test]
fn what_sections_cannot_say_stays_a_comment() {
    const KEEP: &str =
        "left as a comment: no section says this; keep the line in a file of dnsmasq.conf lines (--conf-file)";
    for (text, comment, remark) in [
        ("dhcp-host=2h", "# dhcp-host=2h\n", format!("lines:1: warning: dhcp-host: {KEEP}")),
        ("dhcp-boot=", "# dhcp-boot=\n", format!("lines:1: warning: dhcp-boot: {KEEP}")),
        (
            "conf-dir=/etc/dnsmasq.d",
            "# conf-dir=/etc/dnsmasq.d\n",
            "lines:1: warning: conf-dir: left as a comment: import what it names on its own".to_owned(),
        ),
        (
            "dhcp-bot=x",
            "# dhcp-bot=x\n",
            "lines:1: warning: dhcp-bot: left as a comment: unknown to dnsmasq, too; did you mean dhcp-boot?".to_owned(),
        ),
        (
            "interface=br-lan",
            "# interface=br-lan\n",
            "lines:1: warning: interface: left as a comment: option interface of config upxe 'main' names the networks to \
             serve"
                .to_owned(),
        ),
        (
            "tftp-unique-root=mac",
            "# tftp-unique-root=mac\n",
            "lines:1: warning: tftp-unique-root: left as a comment: upxe serves one folder to all clients".to_owned(),
        ),
        (
            "dhcp-boot=tag:",
            "",
            "lines:1: dhcp-boot: found 'tag:', expected a tag's name of 1 to 255 bytes; the line is left out"
                .to_owned(),
        ),
        ("dhcp-boot=\"x", "", "lines:1: a quote is not closed; the line is left out".to_owned()),
        ("dhcp-match=set:a,option6:59\ncache-size=0\n\n# text", "", String::new()),
    ] {
        let (uci, remarks) = imported(text);
        assert_eq!(uci, comment, "{text}");
        let expected: Vec<String> = Some(remark).filter(|remark| !remark.is_empty()).into_iter().collect();
        assert_eq!(remarks, expected, "{text}");
    }
    let (_, remarks) = imported("dhcp-option-force=tag:a,209,x\ndhcp-option=209,y");
    assert!(remarks[0].contains("comes before the dhcp-option-force lines for this option now"), "{remarks:?}");
    let (_, remarks) = imported("dhcp-option-pxe=209,x\ndhcp-option=6,1.1.1.1\ndhcp-option-force=209,y");
    assert_eq!(remarks.len(), 1);
    assert!(remarks[0].contains("comes before the dhcp-option-pxe lines for this option now"), "{remarks:?}");
}

#[test]
fn an_empty_prompt_is_not_made_an_empty_item() {
    // UCI takes an empty item for none, dnsmasq an empty prompt for one.
    let (uci, remarks) = imported("pxe-prompt=a,3\npxe-prompt=\n");
    assert_eq!(uci, "config upxe 'main'\n\tlist pxe_prompt 'a,3'\n\n# pxe-prompt=\n");
    assert_eq!(remarks.len(), 1);
}

#[test]
fn a_host_that_names_no_machine_is_not_made_a_section() {
    for line in ["dhcp-host=ignore", "dhcp-host=192.168.1.7", "dhcp-host=set:a"] {
        let (uci, remarks) = imported(line);
        assert_eq!((uci, remarks.len()), (format!("# {line}\n"), 1));
    }
}

#[test]
fn what_sections_read_otherwise_stays_a_comment() {
    for line in [
        // Tags of a section are parted by commas and spaces, and lose a prefix.
        "dhcp-boot=tag:\"a,b\",x",
        "dhcp-boot=tag:\"a b\",x",
        "dhcp-boot=tag:set:a,x",
        "dhcp-host=11:22:33:44:55:66,set:\"a b\"",
        "dhcp-host=11:22:33:44:55:66,tag:\"a,b\"",
        // Each is one option there, and of two the first is replaced.
        "dhcp-host=one,two",
        "dhcp-host=box,192.168.1.7,ignore",
        // Empty values are none.
        "dhcp-boot=tag:a,",
        "dhcp-vendorclass=set:a,",
        "dhcp-userclass=set:a,",
        // OpenWrt's scripts part folders by blanks.
        "tftp-root=/srv/my files",
    ] {
        let (uci, remarks) = imported(line);
        assert_eq!((uci, remarks.len()), (format!("# {line}\n"), 1));
    }
    for folder in ["dhcp-hostsdir", "dhcp-optsdir"] {
        assert_eq!(imported(&format!("{folder}=/x")).0, format!("# {folder}=/x\n"));
    }
    let long = format!("dhcp-boot={}x", "tag:a,".repeat(200));
    assert!(imported(&long).1[0].ends_with("left as a comment: dnsmasq reads no line of more than 1024 bytes as one"));
}

#[test]
fn of_several_lines_the_last_is_the_option() {
    let (uci, remarks) = imported("enable-tftp\ntftp-root=/a\ntftp-max=5\nenable-tftp=*\ntftp-root=/b\ntftp-max=7\n");
    assert_eq!(remarks, [""; 0]);
    assert_eq!(uci, "config upxe 'main'\n\toption tftp '1'\n\toption tftp_root '/b'\n\toption tftp_max '7'\n");
    read_back(&uci);
}
