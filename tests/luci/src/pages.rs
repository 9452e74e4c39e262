//! Overview and Diagnosis: what they show, what they ask, and what they let a stranger do.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{DESK, PHONE, Stage, Test, sound, static_checks};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("the overview shows each stage of a boot", stages),
    ("the overview fits on a phone", phone),
    ("a service that does not run is said, and can be started", stopped),
    ("the tick is plain UCI, once it is applied", toggle),
    ("nothing is polled while nobody looks", hidden),
    ("what strangers send never becomes HTML", hostile),
    ("the diagnosis shows what is wrong and mends it", diagnosis),
    ("explain tells what a machine is told", explain),
    ("a user who may only look finds no button that works", read_only),
    ("the pages speak German", german),
];

fn stages(stage: &mut Stage) {
    let unnamed = "52:54:00:12:34:57";
    stage.router(|router| router.hints = json!({ unnamed.to_uppercase(): { "name": "printer" } }));
    let shot = stage.shot("overview");
    let mut page = stage.open("overview", DESK);
    let text = page.text();
    let expected = [
        "loading: ipxe.efi",
        "644.5 KiB of 1020.0 KiB",
        "5.0 MiB/s",
        "nas",
        "52:54:00:12:34:56 · 192.168.1.50",
        "loading script: boot.ipxe",
        "done: its system starts: initrd.img",
        "asked to boot",
        "there is no boot file for it: snponly-arm64.efi is not in the TFTP root",
        "The TFTP root is /srv/tftp, and everybody",
        "asked the boot server",
        "failed: pxelinux.0",
        "fell silent: pxelinux.0",
        "offered: ipxe-ia32.efi",
        "held by dnsmasq (process 123)",
        "lan (br-lan) 192.168.1.1",
        "2 of 64 transfers",
        "version 0.1.0",
        "Something is wrong with it",
        "2m 10s ago",
        // The router knows it by a name that no section gives.
        "printer",
    ];
    for words in expected {
        assert!(text.contains(words), "'{words}' is missing in:\n{text}");
    }
    assert_eq!(page.value("document.querySelector('.cbi-progressbar').title"), json!("63 %"));
    // A timeline that was unfolded stays so when the table is drawn anew.
    page.value("document.querySelectorAll('details summary')[2].click()");
    page.wait("document.querySelectorAll('details')[2].innerText.includes('kernel loaded: vmlinuz')");
    page.value("window.before = document.querySelectorAll('details')[2]");
    page.wait("document.querySelectorAll('details')[2] !== window.before");
    page.wait("document.querySelectorAll('details')[2].open");
    page.shoot(&shot);
    sound(&mut page);
}

fn phone(stage: &mut Stage) {
    for view in ["overview", "files", "diagnosis"] {
        stage.boot_file("a-folder-with-a-long-name/and-a-file-with-an-even-longer-name-than-most-have.efi", 10);
        let shot = stage.shot(&format!("{view}-phone"));
        let mut page = stage.open(view, PHONE);
        page.shoot(&shot);
        let wide = page.value("[document.scrollingElement.scrollWidth, innerWidth]");
        assert!(wide[0].as_u64() <= wide[1].as_u64(), "{view} is wider than the phone: {wide}");
        let cells = "[...document.querySelectorAll('.tr:not(.placeholder):not(.table-titles) > .td')]";
        assert_ne!(page.value(&format!("{cells}.length")), json!(0), "{view}");
        sound(&mut page);
    }
    let mut page = stage.open("overview", PHONE);
    let titles =
        page.value("[...document.querySelectorAll('.table')].pop().querySelectorAll('.td[data-title]').length");
    assert_eq!(titles, json!(8 * 5), "on a phone, each cell says what it is");
}

fn stopped(stage: &mut Stage) {
    let stopped = json!({ "version": 1, "running": false, "reason": "upxe is not running: set enabled to 1" });
    stage.router(|router| router.played.insert("status".into(), stopped.to_string()));
    let mut page = stage.open("overview", DESK);
    let text = page.text();
    for words in ["not running", "set enabled to 1", "No machine has asked to boot yet", "Start it with the router"] {
        assert!(text.contains(words), "'{words}' is missing in:\n{text}");
    }
    page.value("[...document.querySelectorAll('button')].find((one) => one.innerText == 'Start').click()");
    // Once more for the fresh status behind the action.
    page.wait("[...document.querySelectorAll('button')].some((one) => one.innerText == 'Start' && !one.disabled)");
    std::thread::sleep(Duration::from_millis(500));
    sound(&mut page);
    drop(page);
    let ran = stage.router(|router| router.ran.clone());
    assert!(ran.contains(&vec!["/etc/init.d/upxe".into(), "restart".into()]), "{ran:?}");
}

fn toggle(stage: &mut Stage) {
    let mut page = stage.open("overview", DESK);
    page.value("document.getElementById('cbid.upxe.main.enabled').querySelector('input').click()");
    page.value("document.querySelector('.handleSaveApply').click()");
    page.wait("document.body.dataset.applied == 1");
    sound(&mut page);
    drop(page);
    let config = stage.config();
    assert!(config.contains("option enabled '1'") && config.contains("list interface 'lan'"), "{config}");
    let (said, content) = stage.upxe(&["check"]);
    assert!(content && said.contains("enabled, on lan"), "{said}");

    // And back, with what nobody touched left alone.
    let mut page = stage.open("overview", DESK);
    page.value("document.getElementById('cbid.upxe.main.enabled').querySelector('input').click()");
    page.value("document.querySelector('.handleSaveApply').click()");
    page.wait("document.body.dataset.applied == 1");
    drop(page);
    assert!(stage.config().contains("option enabled '0'"), "{}", stage.config());
    assert!(!stage.config().contains("log_level"), "a default is not written: {}", stage.config());
}

fn hidden(stage: &mut Stage) {
    let router = stage.site.lock().expect("the site").router.clone();
    let polled = || router.lock().expect("the router").calls.iter().filter(|call| *call == "luci.upxe status").count();
    let mut page = stage.open("overview", DESK);
    let at_first = polled();
    std::thread::sleep(Duration::from_millis(5500));
    let in_sight = polled() - at_first;
    assert!((2..=3).contains(&in_sight), "{in_sight} polls in five seconds");
    let other = page.cover();
    page.wait("document.hidden");
    std::thread::sleep(Duration::from_millis(300));
    let at_cover = polled();
    std::thread::sleep(Duration::from_millis(6500));
    assert_eq!(polled(), at_cover, "polls while the page is hidden");
    page.uncover(&other);
    page.wait("!document.hidden");
    std::thread::sleep(Duration::from_millis(1000));
    assert!(polled() > at_cover, "the page is fresh as soon as it is seen again");
    sound(&mut page);
}

/// What a machine could call itself to take over the page.
const EVIL: &str = "<img src=x onerror=window.owned=1><script>window.owned=1</script>\"'&amp;";
/// The same as a file's name.
const EVIL_FILE: &str = "<img src=x onerror=window.owned=1>\"'.ipxe";

fn hostile(stage: &mut Stage) {
    stage.boot_file(EVIL_FILE, 100);
    let client = json!({
        "mac": EVIL, "address": EVIL, "host": EVIL, "interface": EVIL, "client": EVIL, "program": EVIL, "stage": "loading", "file": EVIL,
        "size": 10, "bytes": 5, "speed": 1, "ago": 5, "trouble": { "code": EVIL, "reason": EVIL, "advice": EVIL },
        "steps": [{ "ago": 5, "stage": EVIL, "detail": EVIL }]
    });
    let status = json!({
        "version": 1, "running": true, "program": EVIL, "uptime": 1,
        "interfaces": [{ "name": EVIL, "device": EVIL, "address": EVIL, "trouble": EVIL }],
        "ports": [{ "port": 69, "use": EVIL, "open": false, "trouble": EVIL }],
        "tftp": { "root": EVIL, "transfers": 1, "max": 2 }, "clients": [client]
    });
    let finding = json!({ "severity": EVIL, "code": EVIL, "what": EVIL, "why": EVIL, "mend": EVIL, "where": EVIL });
    let diagnostic = json!({ "severity": EVIL, "file": EVIL, "line": 1, "message": EVIL, "mend": EVIL });
    let rule = json!({ "kind": EVIL, "what": EVIL, "won": true, "why": EVIL, "file": EVIL, "line": 1 });
    let explained = json!({ "version": 1, "requests": [{
        "rules": [rule], "tags": [{ "tag": EVIL, "kind": EVIL, "file": EVIL, "line": 1 }], "silence": null,
        "reply": { "message": EVIL, "length": 300, "fields": { "file": EVIL, "siaddr": EVIL },
            "options": [{ "code": 1, "name": EVIL, "value": EVIL, "hex": "", "from": [{ "file": EVIL, "line": 1 }] }] }
    }] });
    stage.router(|router| {
        router.hints = json!({ "52:54:00:AA:BB:CC": { "name": EVIL } });
        router.log = format!("d upxe: {EVIL}");
        for (word, value) in [
            ("status", status),
            ("doctor", json!({ "version": 1, "findings": [finding] })),
            (
                "check",
                json!({ "version": 1, "errors": 1, "warnings": 0, "summary": EVIL, "diagnostics": [diagnostic] }),
            ),
            ("explain", explained),
        ] {
            router.played.insert(word.into(), value.to_string());
        }
    });
    let quoted = EVIL.replace('\'', r"'\''");
    stage.configure(&format!("\toption script '{quoted}'\n\nconfig host\n\toption name 'x'\n\tlist mac '52:54:00:aa:bb:cc'\n\tlist tag '{quoted}'\n\nconfig boot\n\toption networkid '{quoted}'\n\toption filename '{quoted}'\n"));
    for view in ["overview", "files", "diagnosis"] {
        let mut page = stage.open(view, DESK);
        if view == "diagnosis" {
            page.value("[...document.querySelectorAll('button')].find((one) => one.innerText == 'Explain').click()");
            page.wait("document.body.innerText.includes('It is told to load')");
        }
        // Every choice once, as if it were clicked.
        page.value("document.querySelectorAll('.choices li, details summary').forEach((one) => one.click())");
        std::thread::sleep(Duration::from_millis(700));
        let found = page.value("[window.owned || 0, document.querySelectorAll('#view img, #view script').length]");
        assert_eq!(found, json!([0, 0]), "{view}");
        let shown = page.value("document.body.textContent.split('<img src=x onerror=window.owned=1>').length - 1");
        assert!(shown.as_u64() > Some(3), "{view} shows it as text: {shown}");
        sound(&mut page);
    }
}

fn diagnosis(stage: &mut Stage) {
    stage.router(|router| router.log = "daemon.info upxe[1]: INFO [upxe] DHCPOFFER(br-lan) 52:54:00:12:34:56".into());
    let shot = stage.shot("diagnosis");
    let mut page = stage.open("diagnosis", DESK);
    let text = page.text();
    for words in [
        "port 69 is held by dnsmasq (process 123)",
        "Machines are offered files that upxe cannot send.",
        "/etc/config/dhcp:12",
        "uci set dhcp.@dnsmasq[0].enable_tftp='0'",
        "no such file under /srv/tftp",
        "scp -O 'gone.efi' root@192.168.1.1:",
        "/etc/config/upxe:7",
        "DHCPOFFER(br-lan)",
    ] {
        assert!(text.contains(words), "'{words}' is missing in:\n{text}");
    }
    page.shoot(&shot);
    // Another service's configuration is never touched by a button, ours is.
    let mends = "[...document.querySelectorAll('button')].filter((one) => one.innerText == 'Mend')";
    assert_eq!(page.value(&format!("{mends}.length")), json!(1));
    page.value(&format!("{mends}[0].click()"));
    page.wait("document.body.dataset.applied == 1");
    page.value("[...document.querySelectorAll('button')].find((one) => one.innerText.startsWith('Look for')).click()");
    std::thread::sleep(Duration::from_millis(500));
    sound(&mut page);
    drop(page);
    assert!(stage.config().contains("option enabled '1'"), "{}", stage.config());
    let ran = stage.router(|router| router.ran.clone());
    assert!(ran.contains(&vec!["/etc/init.d/upxe".into(), "enable".into()]), "{ran:?}");
    let doctors: Vec<_> = ran.iter().filter(|line| line.get(1).is_some_and(|word| word == "doctor")).collect();
    assert_eq!(
        doctors.first().map(|line| line.len()),
        Some(3),
        "without being told so, nothing is sent to the network: {doctors:?}"
    );
    assert_eq!(doctors.last().and_then(|line| line.last()).map(String::as_str), Some("--probe"));

    // The log is ours alone, whoever else names us in theirs.
    stage.router(|router| {
        router.log = "a: upxe? b\nd upxe[7]: one\nx luci: login on /upxe/overview\nd upxe: two".into()
    });
    let mut page = stage.open("diagnosis", DESK);
    assert_eq!(
        page.value("[...document.querySelectorAll('pre')].pop().innerText"),
        json!("d upxe[7]: one\nd upxe: two")
    );
    drop(page);

    // What only looks like a step of ours is left to the hand.
    for command in [
        "uci set upxe.main.enabled='1'; reboot",
        "uci set upxe.main.script=$(reboot)",
        "uci set dhcp.lan.ignore='1'",
        "service network restart",
        "service upxe stop",
        "uci set upxe.main.script='a' 'b'",
        "uci delete upxe.main",
    ] {
        let finding =
            json!({ "severity": "error", "code": "x", "what": "x", "why": "x", "mend": command, "where": null });
        stage.router(|router| {
            router.played.insert("doctor".into(), json!({ "version": 1, "findings": [finding] }).to_string())
        });
        let mut page = stage.open("diagnosis", DESK);
        assert_eq!(page.value(&format!("{mends}.length")), json!(0), "{command}");
        assert!(page.text().contains(command), "{command}");
    }
}

fn explain(stage: &mut Stage) {
    stage.boot_file("ipxe.efi", 1000);
    let mut page = stage.open("diagnosis", DESK);
    let ask = |page: &mut crate::Page<'_>, choice: &str, words: &str| {
        page.value(choice);
        page.value("[...document.querySelectorAll('button')].find((one) => one.innerText == 'Explain').click()");
        page.wait(&format!("document.body.innerText.includes({})", Value::from(words)));
    };
    // The machine that was seen to be x64 is taken for that.
    ask(
        &mut page,
        "const mac = document.querySelector('select'); mac.value = '52:54:00:12:34:56'; mac.dispatchEvent(new Event('change'))",
        "It is told to load ipxe.efi",
    );
    ask(&mut page, "document.querySelectorAll('select')[1].value = 'bios'", "It gets no answer");
    assert!(page.text().contains("undionly.kpxe"), "the advice names files: {}", page.text());
    sound(&mut page);
    drop(page);
    let ran = stage.router(|router| router.ran.clone());
    assert!(
        ran.iter().any(|line| line[1..] == ["explain", "--json", "--mac", "52:54:00:12:34:56", "--arch", "x64"]),
        "{ran:?}"
    );

    // Whatever a page asks, the plugin runs nothing else.
    let mut page = stage.open("overview", DESK);
    for (method, arguments) in [
        ("explain", json!({ "mac": "52:54:00:12:34:56 --hex /etc/shadow", "arch": "", "program": "" })),
        ("explain", json!({ "mac": "--hex", "arch": "", "program": "" })),
        ("explain", json!({ "mac": "", "arch": "x64 --pcap x", "program": "" })),
        ("explain", json!({ "mac": "", "arch": "", "program": "pcap" })),
        ("action", json!({ "name": "start; reboot" })),
        ("action", json!({ "name": "shutdown" })),
        ("action", json!({ "name": "" })),
    ] {
        let before = page_calls(&mut page, method, &arguments);
        assert!(before["error"].is_string(), "{method} {arguments}: {before}");
    }
    drop(page);
    let strange = stage.router(|router| {
        router.ran.iter().any(|line| {
            line.iter().any(|word| word.contains("hex") || word.contains("reboot") || word.contains("pcap"))
        })
    });
    assert!(!strange);
}

/// Asks the plugin itself, as a user with the page's grant could.
fn page_calls(page: &mut crate::Page<'_>, method: &str, arguments: &Value) -> Value {
    page.value(&format!("require('plugin').then((plugin) => plugin.call('{method}', {arguments}))"))
}

fn read_only(stage: &mut Stage) {
    stage.site(|site| site.permission = false);
    for view in ["overview", "diagnosis"] {
        let mut page = stage.open(view, DESK);
        let open = page
            .value("[...document.querySelectorAll('#view .cbi-button:not([disabled])')].map((one) => one.innerText)");
        assert_eq!(open, json!([]), "{view}");
    }
}

fn german(stage: &mut Stage) {
    let german = static_checks::catalogue(&stage.app.join("po/de/upxe.po"));
    stage.site(|site| site.catalogue = json!(german));
    for (view, words) in [
        ("overview", "läuft"),
        // What the program says, with the file and the folder in their places.
        ("overview", "Weder snponly-arm64.efi noch eine andere"),
        ("overview", "Der TFTP-Ordner ist /srv/tftp, und jeder"),
        ("overview", "Er hat aufgehört, pxelinux.0 zu laden"),
        ("files", "Bootdateien"),
        ("diagnosis", "Diagnose"),
        ("diagnosis", "Den Rechnern werden Dateien angeboten, die upxe nicht senden kann."),
    ] {
        let shot = stage.shot(&format!("{view}-de"));
        let mut page = stage.open(view, DESK);
        assert!(page.text().contains(words), "'{words}' is missing in:\n{}", page.text());
        let asked = page.value("Object.keys(testEnv.asked)");
        let missing: Vec<_> = asked
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|text| !german.contains_key(*text))
            .collect();
        assert_eq!(missing, Vec::<&str>::new(), "{view}");
        page.shoot(&shot);
        sound(&mut page);
    }
}
