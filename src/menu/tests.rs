//! Menus as each loader reads them, and values that try to be more than a value.

use std::net::Ipv4Addr;

use super::template::{Also, fill};
use super::*;
use crate::config::Overrides;
use crate::config::dnsmasq::files::NoFiles;
use crate::config::load::{Source, Sources, load};

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);

fn menu(text: &str) -> BootMenu {
    let upxe = Source { name: "upxe".into(), text: Some(text.as_bytes().to_vec()) };
    let (config, diagnostics) = load(&Sources { upxe, ..Sources::default() }, &Overrides::default(), &mut NoFiles);
    let words: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    config.unwrap_or_else(|| panic!("{words:?}")).rules.menu
}

fn machine() -> Machine {
    let mut machine = Machine::of(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
    machine.uuid = Some([0x11; 16]);
    machine.architecture = Some(7);
    machine.tags = vec!["lan".to_owned(), "lab".to_owned()];
    machine.set_host("attic.example");
    machine
}

fn rendered(menu: &BootMenu, machine: &Machine, wanted: Wanted<'_>) -> String {
    let has = |name: &str| name == "menu.c32" || name == "memdisk";
    render(wanted, &Scene { menu, machine, router: ROUTER, http: None, has: &has })
}

const ALL: [Wanted<'static>; 3] = [Wanted::Ipxe(None), Wanted::Pxelinux(""), Wanted::Grub];

const EVERYTHING: &str = "
config menu
    option title 'What to boot'
    option timeout '5'
    option default 'debian'
config entry 'disk'
    option title 'Local disk'
    option kind 'local'
config entry 'debian'
    option title 'Debian'
    option kernel 'debian/my linux'
    list initrd '/debian/initrd.gz'
    list initrd 'http://192.168.1.9/firmware.cpio'
    option append 'quiet hostname={{host}} foo=\"a b\" --- x={{mac}}'
config entry 'cd'
    option url 'http://192.168.1.9/cd.iso'
config entry 'windows'
    list file 'win/Boot/BCD'
    list file 'win/sources/boot.wim'
config entry 'more'
    option url 'tools/shell.efi'
config entry 'nas'
    option root_path 'iscsi:192.168.1.5::::iqn.2026-01.lan.nas:disk'
    option keep_san '1'
config entry 'memtest'
    option kind 'memtest'
    option kernel 'memtest.bin'
config entry 'shell'
    option kind 'shell'
config entry 'other'
    option kind 'shell'
    list arch 'bios'
";

#[test]
fn ipxe_gets_a_script() {
    let expected = "#!ipxe
# The boot menu of 52:54:00:12:34:56
:upxe-menu
menu What to boot
item disk Local disk
item debian Debian
item cd cd
item windows windows
item more more
item nas nas
item memtest memtest
item shell shell
choose --default debian --timeout 5000 upxe-choice || goto upxe-local
goto ${upxe-choice}
:disk
goto upxe-local
:debian
kernel tftp://192.168.1.1/debian/my%20linux initrd=initrd0 initrd=initrd1 quiet hostname=attic foo=\"a b\" --- \
x=52:54:00:12:34:56 || goto upxe-failed
initrd --name initrd0 tftp://192.168.1.1/debian/initrd.gz || goto upxe-failed
initrd --name initrd1 http://192.168.1.9/firmware.cpio || goto upxe-failed
boot || goto upxe-failed
:cd
sanboot http://192.168.1.9/cd.iso || goto upxe-failed
:windows
kernel tftp://192.168.1.1/wimboot || goto upxe-failed
initrd tftp://192.168.1.1/win/Boot/BCD BCD || goto upxe-failed
initrd tftp://192.168.1.1/win/sources/boot.wim boot.wim || goto upxe-failed
boot || goto upxe-failed
:more
chain tftp://192.168.1.1/tools/shell.efi || goto upxe-failed
:nas
set keep-san 1 || goto upxe-failed
sanboot iscsi:192.168.1.5::::iqn.2026-01.lan.nas:disk || goto upxe-failed
:memtest
kernel tftp://192.168.1.1/memtest.bin || goto upxe-failed
boot || goto upxe-failed
:shell
shell
goto upxe-menu
:upxe-failed
imgfree
prompt --timeout 20000 It did not boot. A key brings the menu back; the local disk follows. && goto upxe-menu ||
:upxe-local
iseq ${platform} efi && exit ||
sanboot --no-describe --drive 0x80 || exit
exit
";
    assert_eq!(rendered(&menu(EVERYTHING), &machine(), Wanted::Ipxe(None)), expected);
}

#[test]
fn pxelinux_gets_what_it_can_boot() {
    let expected = "# The boot menu of 52:54:00:12:34:56
UI menu.c32
MENU TITLE What to boot
TIMEOUT 50
DEFAULT disk
LABEL disk
\tMENU LABEL Local disk
\tLOCALBOOT 0
# debian is left out: PXELINUX takes no file name with a space, a comma or a colon
LABEL cd
\tMENU LABEL cd
\tLINUX memdisk
\tINITRD http://192.168.1.9/cd.iso
\tAPPEND iso raw
# windows is left out: only iPXE can do that
# more is left out: only iPXE can do that
# nas is left out: only iPXE can do that
LABEL memtest
\tMENU LABEL memtest
\tLINUX memtest.bin
# shell is left out: only iPXE can do that
";
    assert_eq!(rendered(&menu(EVERYTHING), &machine(), Wanted::Pxelinux("")), expected);
    let typed = "# The boot menu of a machine that is not known
SAY Boot menu
SAY b: b^
PROMPT 1
TIMEOUT 35996
DEFAULT b
LABEL b
\tMENU LABEL b
\tLINUX ::linux
\tINITRD ::a,::b
\tAPPEND mac=
";
    let text = "config menu\noption timeout 3600\nconfig entry b\noption title b^\noption kernel /linux\nlist initrd a\n\
                list initrd b\noption append 'mac={{mac}}'\n";
    assert_eq!(rendered(&menu(text), &Machine::default(), Wanted::Pxelinux("bios/")), typed.replace("b^", "b"));
}

#[test]
fn grub_gets_what_it_can_boot() {
    let expected = "# The boot menu of 52:54:00:12:34:56
set timeout=5
set default='debian'
menuentry 'Local disk' --id 'disk' {
\texit
}
menuentry 'Debian' --id 'debian' {
\tlinux '/debian/my linux' 'quiet' 'hostname=attic' 'foo=a b' '---' 'x=52:54:00:12:34:56'
\tinitrd '/debian/initrd.gz' '(http,192.168.1.9)/firmware.cpio'
}
# cd is left out: only iPXE can do that
# windows is left out: only iPXE can do that
menuentry 'more' --id 'more' {
\tchainloader '/tools/shell.efi'
}
# nas is left out: only iPXE can do that
menuentry 'memtest' --id 'memtest' {
\tlinux '/memtest.bin'
}
# shell is left out: only iPXE can do that
";
    assert_eq!(rendered(&menu(EVERYTHING), &machine(), Wanted::Grub), expected);
}

#[test]
fn files_come_by_http_where_there_is_a_server() {
    let menu =
        menu("config menu\noption timeout 0\nconfig entry a\noption kernel k\nconfig entry b\noption url x.iso\n");
    let (machine, http) = (machine(), Some("http://192.168.1.1:8080/boot"));
    let scene = Scene { menu: &menu, machine: &machine, router: ROUTER, http, has: &|_| false };
    let ipxe = ipxe::render(&scene);
    assert!(ipxe.contains("choose --default a upxe-choice ||"), "{ipxe}");
    assert!(ipxe.contains("\nkernel http://192.168.1.1:8080/boot/k ||"), "{ipxe}");
    assert!(ipxe.contains("\nsanboot http://192.168.1.1:8080/boot/x.iso ||"), "{ipxe}");
    let grub = grub::render(&scene);
    assert!(grub.contains("set timeout=-1\n") && grub.contains("linux '(http,192.168.1.1:8080)/boot/k'\n"), "{grub}");
    assert_eq!(fill("{{ http }}/{{arch}}", &scene, Also::Nothing), "http://192.168.1.1:8080/boot/7");
}

#[test]
fn only_the_default_is_booted_without_a_word() {
    const TWO: &str = "config entry disk\nlist arch bios\noption kind local\nconfig entry install\noption kernel k\n";
    let texts = |default: &str| {
        let menu = menu(&["config menu\noption timeout 5\n", default, TWO].concat());
        [Wanted::Ipxe(None), Wanted::Pxelinux(""), Wanted::Grub].map(|wanted| rendered(&menu, &machine(), wanted))
    };
    let [ipxe, pxelinux, grub] = texts("option default disk\n");
    assert!(ipxe.contains("choose --default install upxe-choice"), "{ipxe}");
    assert!(pxelinux.contains("TIMEOUT 0\nDEFAULT install\n"), "{pxelinux}");
    assert!(grub.contains("set timeout=-1\nset default='install'\n"), "{grub}");
    let [ipxe, pxelinux, grub] = texts("");
    assert!(ipxe.contains("choose --default install --timeout 5000 upxe-choice"), "{ipxe}");
    assert!(pxelinux.contains("TIMEOUT 50\nDEFAULT install\n"), "{pxelinux}");
    assert!(grub.contains("set timeout=5\nset default='install'\n"), "{grub}");
}

#[test]
fn entries_are_for_whom_they_say() {
    for (limits, holds) in [
        ("", true),
        ("list arch x64", true),
        ("list arch bios\nlist arch 9", true),
        ("list arch bios", false),
        ("option networkid 'lan,lab'", true),
        ("option networkid 'lan,!lab'", false),
        ("list group other\nlist group lab", true),
        ("list group other", false),
        ("list host 52:54:00:12:34:56", true),
        ("list host 52-54-00-12-34-57", false),
        ("list host 11111111-1111-1111-1111-111111111111", true),
        ("list host Attic", true),
        ("list host cellar\nlist host attic", true),
        ("list host cellar", false),
        ("list host attic\nlist arch bios", false),
    ] {
        let menu = menu(&format!("config entry a\noption kind local\n{limits}\n"));
        assert_eq!(has_any(&menu, &machine()), holds, "{limits}");
        for wanted in ALL {
            let text = rendered(&menu, &machine(), wanted);
            let offers = ["item a a\n", "LABEL a\n", "--id 'a' {"].iter().any(|word| text.contains(word));
            assert_eq!(offers, holds, "{limits}: {text}");
        }
    }
    let nobody = menu("config entry a\noption kind local\nlist host x\n");
    // Nothing but the local disk is left.
    assert!(rendered(&nobody, &machine(), Wanted::Ipxe(None)).ends_with(
        ":56\n:upxe-local\niseq ${platform} efi && exit ||\nsanboot --no-describe --drive 0x80 || exit\nexit\n"
    ));
    assert!(
        rendered(&nobody, &machine(), Wanted::Pxelinux(""))
            .ends_with("DEFAULT upxe-local\nLABEL upxe-local\n\tLOCALBOOT 0\n")
    );
    assert!(rendered(&nobody, &machine(), Wanted::Grub).ends_with(":56\nexit\n"));
}

#[test]
fn serial_numbers_are_ipxes_to_tell() {
    let menu = menu("config entry a\noption kind local\nlist serial 'AB 12'\nlist asset 7.x\n");
    let script = rendered(&menu, &machine(), Wanted::Ipxe(None));
    let items =
        "menu Boot menu\niseq ${serial:uristring} AB%2012 && iseq ${asset:uristring} 7.x && item a a ||\nchoose";
    assert!(script.contains(items), "{script}");
    let many: String = (0..2000).map(|number| format!("list serial {number}\nlist asset {number}\n")).collect();
    let menu_of_many = super::tests::menu(
        &["config entry a\noption kind local\n", &many, "config entry b\noption kind local\n"].concat(),
    );
    let script = rendered(&menu_of_many, &machine(), Wanted::Ipxe(None));
    assert!(
        script.contains("# a is left out: the menu is too long for it\n") && script.contains("\nitem b b\n"),
        "{script}"
    );
    for wanted in [Wanted::Grub, Wanted::Pxelinux("")] {
        assert!(rendered(&menu, &machine(), wanted).contains("# a is left out: only iPXE can do that\n"));
    }
    let scene = Scene { menu: &menu, machine: &machine(), router: ROUTER, http: None, has: &|_| false };
    assert_eq!(fill("{{serial}} {{asset}}", &scene, Also::Ipxe), "${serial:uristring} ${asset:uristring}");
    assert_eq!(fill("{{serial}}", &scene, Also::Nothing), "{{serial}}");
}

/// Where a gap ends is looked for no further than names go: the time is that of the text, whatever stands in it.
#[test]
fn gaps_without_end_take_no_time() {
    let menu = menu("config entry a\noption kind local\n");
    let scene = Scene { menu: &menu, machine: &machine(), router: ROUTER, http: None, has: &|_| false };
    for (text, filled) in [
        ("{{ mac }}{{mac}}", "52:54:00:12:34:5652:54:00:12:34:56"),
        ("{{{{arch}} {{ma}c}} {{a{{arch}}", "{{7 {{ma}c}} {{a7"),
        ("{{{arch}}} {{}} {{", "{{{arch}}} {{}} {{"),
    ] {
        assert_eq!(fill(text, &scene, Also::Nothing), filled);
    }
    let begun = std::time::Instant::now();
    for line in ["{{", "{{x}", "{{ x", "}{{"] {
        let text = line.repeat(MAX_TEXT / line.len()) + "}}";
        assert_eq!(fill(&text, &scene, Also::Nothing), text);
    }
    // It is a matter of milliseconds, or else of many seconds.
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// What a stranger may call itself.
const HOSTILE: &[&str] = &[
    "a\nshell",
    "a\r\nb",
    "${net0/mac}",
    "a||shell",
    "a || shell",
    "a;b",
    "a && b",
    "'; exit; '",
    "\"x\"",
    "a b",
    "$(x)",
    "`x`",
    "a\\",
    "#x",
    "-x",
    "{{uuid}}",
    "}}",
    "%0a",
    "",
    "\u{202e}",
    "\0",
    "a/../b",
    "a,b",
    "^a",
];

/// Whatever a machine says of itself, the text is the same as if it had said nothing: no line, no word more.
#[test]
fn what_strangers_say_changes_nothing() {
    let text = "config entry a\noption kernel k\noption append 'x={{host}} {{uuid}}'\n\
                config entry b\noption kind local\nlist host x\n";
    let menu = menu(text);
    let mut silent = machine();
    silent.host = None;
    for name in HOSTILE {
        let mut loud = machine();
        loud.set_host(name);
        assert_eq!(loud.host(), None, "{name:?}");
        for wanted in ALL {
            assert_eq!(rendered(&menu, &loud, wanted), rendered(&menu, &silent, wanted), "{name:?}");
        }
    }
    let mut long = machine();
    long.set_host(&"x".repeat(64));
    assert_eq!(long.host(), None);
    long.set_host(&"x".repeat(63));
    assert!(long.host().is_some());
}

/// The lines of a script as iPXE takes them (script.c, exec.c): commands, each with the word that ends it.
fn ipxe_commands(script: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for line in script.replace("\\\n", "").lines() {
        let mut command = Vec::new();
        for word in line.split_ascii_whitespace() {
            if word.starts_with('#') {
                break;
            }
            match word {
                "||" | "&&" | ";" => commands.push(std::mem::take(&mut command).join(" ") + " " + word),
                word => command.push(word),
            }
        }
        commands.push(command.join(" "));
    }
    commands
}

/// What the user wrote is shown or refused, and never becomes a command: of each script the commands' first words are
/// those of one with plain values.
#[test]
fn what_users_write_stays_what_it_is() {
    let verbs = |script: &str| -> Vec<String> {
        let commands = ipxe_commands(script);
        let word = |command: &String| {
            let ends = ["||", "&&", ";"].iter().find(|end| command.ends_with(**end)).copied().unwrap_or_default();
            [command.split(' ').next().unwrap_or_default(), ends].join(" ")
        };
        commands.iter().map(word).collect()
    };
    let words = ["x || shell", "&& shell", "; shell", "#!gpxe", "# x", "--help", "a \\", "\\", "${x}", "$ { x", "'\"`"];
    let of = |title: &str, file: &str| {
        let (title, file) = (title.replace('\'', "'\\''"), file.replace('\'', "'\\''"));
        menu(&format!(
            "config menu\noption title '{title}'\nconfig entry a\noption title '{title}'\noption kernel '{file}'\n\
             list initrd '{file}'\nconfig entry b\noption kind local\n"
        ))
    };
    let plain = verbs(&rendered(&of("x", "x"), &machine(), Wanted::Ipxe(None)));
    for word in words {
        let menu = of(word, word);
        let script = rendered(&menu, &machine(), Wanted::Ipxe(None));
        assert_eq!(verbs(&script), plain, "{word}: {script}");
        assert_eq!(script.matches("${").count(), 2, "{word}: {script}");
        let grub = rendered(&menu, &machine(), Wanted::Grub);
        // Everything of the user's stands in quotes: outside of them only GRUB's own words are left.
        let mut outside = String::new();
        let unescaped = grub.replace("'\\''", "");
        unescaped.split('\'').step_by(2).for_each(|part| outside.push_str(part));
        assert!(!outside.contains("shell") && !outside.contains("help"), "{word}: {grub}");
        let pxelinux = rendered(&menu, &machine(), Wanted::Pxelinux(""));
        assert_eq!(
            pxelinux.lines().filter(|line| line.starts_with("LABEL")).count() + pxelinux.matches("left out").count(),
            2
        );
    }
    for append in ["a || shell", "a && b", "a ; b", "a #b", "x=${net0/mac}"] {
        let menu = menu(&format!("config entry a\noption kernel k\noption append '{append}'\n"));
        let script = rendered(&menu, &machine(), Wanted::Ipxe(None));
        assert!(script.contains("# a is left out: iPXE takes ||") && !script.contains("item"), "{script}");
        // The others know no such words.
        assert!(rendered(&menu, &machine(), Wanted::Pxelinux("")).contains(&format!("APPEND {append}\n")));
        assert!(rendered(&menu, &machine(), Wanted::Grub).contains("linux '/k'"));
    }
}

#[test]
fn a_menu_has_a_bound() {
    let mut text = String::new();
    for at in 0..MAX_ENTRIES_TESTED {
        let append = "x".repeat(1000);
        text += &format!("config entry e{at}\noption kernel k\noption append '{append}'\n");
    }
    let menu = menu(&text);
    for wanted in ALL {
        let text = rendered(&menu, &machine(), wanted);
        assert!(text.len() <= MAX_TEXT, "{}", text.len());
        assert!(text.contains("# e63 is left out: the menu is too long for it\n"));
    }
}

const MAX_ENTRIES_TESTED: usize = 64;
