//! Boot files: what the page writes is what a hand would write, upxe takes it, and it does what the page says.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::browser::Page;
use crate::{DESK, Stage, Test, sound};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("files and folders are shown as they are", listing),
    ("nothing outside the folder is listed", beneath),
    ("a file for an architecture is offered to it", architecture),
    ("a machine of its own beats its architecture", machine),
    ("sections that a hand has written are understood", by_hand),
    ("a machine can be left without an answer", ignored),
    ("script, menu and prompt are plain options", plain),
    ("a menu is made of entries", menu),
    ("rules are sections as they are", rules),
    ("a wrong value is refused", refused),
];

/// Puts a value into a field.
fn fill(page: &mut Page<'_>, field: &str, value: &str) {
    let value = json!(value);
    page.value(&format!(
        "(() => {{ const input = document.getElementById('cbid.upxe.{field}').querySelector('input'); input.value = {value}; \
         input.dispatchEvent(new Event('input')); }})()"
    ));
}

/// Adds an item to a list.
fn add(page: &mut Page<'_>, field: &str, value: &str) {
    let value = json!(value);
    page.value(&format!(
        "(() => {{ const list = document.getElementById('cbid.upxe.{field}'); list.querySelector('button').click(); \
         const input = [...list.querySelectorAll('input')].pop(); input.value = {value}; input.dispatchEvent(new Event('input')); }})()"
    ));
}

fn apply(page: &mut Page<'_>) {
    page.value("delete document.body.dataset.applied; document.querySelector('.handleSaveApply').click()");
    page.wait("document.body.dataset.applied == 1");
    sound(page);
}

/// Clicks a section's button for another row, and tells its name.
fn row(page: &mut Page<'_>, kind: &str) -> String {
    let rows = format!("document.querySelectorAll('[data-type={kind}] [data-section-id]')");
    let before = page.value(&format!("{rows}.length"));
    page.value(&format!("document.querySelector('[data-type={kind}] .cbi-button-add').click()"));
    page.wait(&format!("{rows}.length > {before}"));
    page.value(&format!("[...{rows}].pop().dataset.sectionId")).as_str().expect("a name").to_owned()
}

/// What the real upxe offers.
fn offered(stage: &Stage, words: &[&str]) -> String {
    let (said, content) = stage.upxe(&[&["explain", "--json"], words].concat());
    assert!(content, "{said}");
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    said["requests"][0]["reply"]["fields"]["file"].as_str().unwrap_or("silence").to_owned()
}

fn sane(stage: &Stage) {
    let (said, content) = stage.upxe(&["check"]);
    assert!(content && said.contains("0 errors, 0 warnings"), "{said}\n{}", stage.config());
}

fn listing(stage: &mut Stage) {
    stage.boot_file("ipxe.efi", 1_044_480);
    stage.boot_file("pxelinux/pxelinux.0", 42_000);
    let root = stage.root();
    let shot = stage.shot("files");
    let mut page = stage.open("files", DESK);
    page.value("document.querySelector('details summary').click()");
    let text = page.text();
    let inside = format!("Files in {}: 2", root.display());
    for words in [&inside, "pxelinux/pxelinux.0", "41.0 KiB", "1020.0 KiB", "✓ ipxe.efi, 1020.0 KiB", "free"] {
        assert!(text.contains(words), "'{words}' is missing in:\n{text}");
    }
    // What is not there is said while it is typed.
    fill(&mut page, "main._x64", "ipxe.eif");
    page.wait("document.body.innerText.includes('✗ ipxe.eif: not in the folder')");
    fill(&mut page, "main._x64", "http://192.168.1.5/boot.efi");
    page.wait("!document.body.innerText.includes('✗')");
    page.shoot(&shot);
    sound(&mut page);
    drop(page);
    let _ = std::fs::remove_dir_all(&root);
    let mut page = stage.open("files", DESK);
    assert!(page.text().contains("does not exist: make it"), "{}", page.text());
}

fn beneath(stage: &mut Stage) {
    stage.boot_file("mine.efi", 10);
    let root = stage.root();
    let outside = root.parent().expect("a folder").join("outside");
    std::fs::create_dir_all(&outside).expect("a folder");
    std::fs::write(outside.join("allowed.efi"), "x").expect("a file");
    symlink("/etc/passwd", root.join("secret")).expect("a link");
    symlink("/etc", root.join("folder")).expect("a link");
    symlink("../../../../../etc/hostname", root.join("climbing")).expect("a link");
    symlink("mine.efi", root.join("also-mine.efi")).expect("a link");
    symlink(&root, root.join("loop")).expect("a link");
    symlink(outside.join("allowed.efi"), root.join("allowed.efi")).expect("a link");
    let names = |stage: &mut Stage| {
        let mut page = stage.open("overview", DESK);
        let found = page.value("require('plugin').then((plugin) => plugin.call('files', {})).then((found) => found.files.map((file) => file.name).sort())");
        found
            .as_array()
            .expect("files")
            .iter()
            .map(|name| name.as_str().expect("a name").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(stage), ["also-mine.efi", "mine.efi"]);
    stage.configure(&format!("\tlist tftp_allow '{}'\n", outside.display()));
    assert_eq!(names(stage), ["allowed.efi", "also-mine.efi", "mine.efi"]);
}

fn architecture(stage: &mut Stage) {
    for name in ["ipxe.efi", "special.efi", "undionly.kpxe", "boot.ipxe"] {
        stage.boot_file(name, 1000);
    }
    assert_eq!(offered(stage, &["--arch", "x64"]), "ipxe.efi");
    let mut page = stage.open("files", DESK);
    fill(&mut page, "main._x64", "special.efi");
    apply(&mut page);
    drop(page);
    sane(stage);
    let config = stage.config();
    for words in [
        "config match 'arch_x64_7'",
        "option match 'option:client-arch,7'",
        "option match 'option:client-arch,9'",
        "option networkid 'arch_x64'",
        "config boot 'boot_arch_x64'",
    ] {
        assert!(config.contains(words), "{config}");
    }
    assert_eq!(offered(stage, &["--arch", "x64"]), "special.efi");
    assert_eq!(offered(stage, &["--arch", "9"]), "special.efi");
    assert_eq!(offered(stage, &["--arch", "bios"]), "undionly.kpxe");
    // It is shown again, and can be taken back.
    let mut page = stage.open("files", DESK);
    assert_eq!(
        page.value("document.getElementById('cbid.upxe.main._x64').querySelector('input').value"),
        json!("special.efi")
    );
    fill(&mut page, "main._x64", "");
    apply(&mut page);
    drop(page);
    assert!(!stage.config().contains("config boot"), "{}", stage.config());
    assert_eq!(offered(stage, &["--arch", "x64"]), "ipxe.efi");
}

fn machine(stage: &mut Stage) {
    for name in ["ipxe.efi", "special.efi", "mine.efi"] {
        stage.boot_file(name, 1000);
    }
    stage.router(|router| router.hints = json!({ "52:54:00:AA:BB:CC": { "name": "nas" } }));
    let mut page = stage.open("files", DESK);
    let id = row(&mut page, "host");
    add(&mut page, &format!("{id}.mac"), "52:54:00:aa:bb:cc");
    assert_eq!(page.value("document.body.textContent.includes('52:54:00:aa:bb:cc (nas)')"), json!(true));
    fill(&mut page, &format!("{id}.name"), "nas");
    fill(&mut page, &format!("{id}._file"), "mine.efi");
    apply(&mut page);
    // Said later, the architecture's line still comes first, so that the machine's is the last that matches.
    fill(&mut page, "main._x64", "special.efi");
    apply(&mut page);
    drop(page);
    sane(stage);
    assert_eq!(offered(stage, &["--arch", "x64", "--mac", "52:54:00:aa:bb:cc"]), "mine.efi", "{}", stage.config());
    assert_eq!(offered(stage, &["--arch", "x64"]), "special.efi");
    let mut page = stage.open("files", DESK);
    page.value("document.querySelector('[data-type=host] .cbi-button-remove').click()");
    page.wait("!document.querySelector('[data-type=host] [data-section-id]')");
    apply(&mut page);
    drop(page);
    assert_eq!(offered(stage, &["--arch", "x64", "--mac", "52:54:00:aa:bb:cc"]), "special.efi");
    assert!(!stage.config().contains("mine.efi"), "{}", stage.config());
}

fn by_hand(stage: &mut Stage) {
    for name in ["special.efi", "other.efi"] {
        stage.boot_file(name, 1000);
    }
    let sections = "
config match
	option networkid 'efi'
	option match '93,7'

config boot
	option networkid 'efi'
	option filename 'special.efi'
";
    stage.configure(sections);
    let mut page = stage.open("files", DESK);
    assert_eq!(
        page.value("document.getElementById('cbid.upxe.main._x64').querySelector('input').value"),
        json!("special.efi")
    );
    fill(&mut page, "main._x64", "other.efi");
    apply(&mut page);
    drop(page);
    let config = stage.config();
    assert_eq!(config.matches("config boot").count(), 1, "{config}");
    assert!(config.contains("option filename 'other.efi'") && config.contains("option match '93,7'"), "{config}");
    assert_eq!(offered(stage, &["--arch", "x64"]), "other.efi");
}

fn ignored(stage: &mut Stage) {
    stage.boot_file("ipxe.efi", 1000);
    let mut page = stage.open("files", DESK);
    let id = row(&mut page, "host");
    add(&mut page, &format!("{id}.mac"), "52:54:00:aa:bb:cc");
    page.value(&format!("document.getElementById('cbid.upxe.{id}._file').querySelector('[data-value=\"!\"]').click()"));
    apply(&mut page);
    drop(page);
    assert!(stage.config().contains("option ip 'ignore'"), "{}", stage.config());
    assert_eq!(offered(stage, &["--arch", "x64", "--mac", "52:54:00:aa:bb:cc"]), "silence");
    assert_eq!(offered(stage, &["--arch", "x64"]), "ipxe.efi");
}

fn plain(stage: &mut Stage) {
    stage.boot_file("debian/boot.ipxe", 100);
    stage.boot_file("installer.0", 100);
    let mut page = stage.open("files", DESK);
    fill(&mut page, "main.script", "debian/boot.ipxe");
    add(&mut page, "main.pxe_service", "x86PC,\"Install it's\",installer");
    fill(&mut page, "main.pxe_prompt", "\"Press F8\",5");
    apply(&mut page);
    drop(page);
    sane(stage);
    let config = stage.config();
    for words in [
        "option script 'debian/boot.ipxe'",
        r#"list pxe_service 'x86PC,"Install it'\''s",installer'"#,
        "option pxe_prompt '\"Press F8\",5'",
    ] {
        assert!(config.contains(words), "{config}");
    }
    assert_eq!(offered(stage, &["--arch", "x64", "--ipxe"]), "debian/boot.ipxe");
}

/// Makes a section that wants a name.
fn named(page: &mut Page<'_>, kind: &str, name: &str) {
    page.value(&format!("document.querySelector('[data-type={kind}] > input').value = '{name}'"));
    assert_eq!(row(page, kind), name);
}

fn menu(stage: &mut Stage) {
    stage.boot_file("debian/linux", 100);
    stage.boot_file("debian/initrd.gz", 100);
    // What a hand has written stays, whatever it leaves unsaid.
    let by_hand = "\nconfig entry 'rescue'\n\toption url 'http://192.168.1.5/r.ipxe'\n\tlist group 'lab'\n\nconfig mac\n\toption networkid 'lab'\n\toption mac '52:54:00:*:*:*'\n";
    stage.configure(by_hand);
    let mut page = stage.open("files", DESK);
    let script = "document.getElementById('field.cbid.upxe.main.script').innerText";
    assert_eq!(page.value(&format!("{script}.includes('menu.ipxe') && !{script}.includes('✗')")), json!(true));
    named(&mut page, "entry", "debian");
    let choose = |page: &mut Page<'_>, kind: &str| {
        page.value(&format!(
            "(() => {{ const kind = document.getElementById('cbid.upxe.debian.kind').querySelector('select'); \
             kind.value = '{kind}'; kind.dispatchEvent(new Event('change')); }})()"
        ));
    };
    let hidden = |page: &mut Page<'_>| {
        page.value(
            "[...document.querySelectorAll('[data-section-id=debian] .cbi-value.hidden')].map((one) => one.id.split('.').pop())",
        )
    };
    assert_eq!(hidden(&mut page), json!([]), "without a kind, the fields say it");
    choose(&mut page, "iscsi");
    let others = ["kernel", "initrd", "append", "url", "file"];
    assert_eq!(hidden(&mut page), json!(others));
    choose(&mut page, "linux");
    assert_eq!(hidden(&mut page), json!(["url", "file", "root_path", "keep_san"]));
    fill(&mut page, "debian.title", "Debian it's");
    fill(&mut page, "debian.kernel", "debian/linus");
    page.wait("document.body.textContent.includes('✗ debian/linus: not in the folder')");
    fill(&mut page, "debian.kernel", "debian/linux");
    add(&mut page, "debian.initrd", "debian/initrd.gz");
    fill(&mut page, "debian.append", "quiet hostname={{host}}");
    add(&mut page, "debian.arch", "x64");
    add(&mut page, "debian.host", "52:54:00:12:34:56");
    let menu = row(&mut page, "menu");
    fill(&mut page, &format!("{menu}.timeout"), "3");
    fill(&mut page, &format!("{menu}.default"), "debian");
    apply(&mut page);
    drop(page);
    sane(stage);
    let config = stage.config();
    for words in [
        "config entry 'debian'",
        "option kind 'linux'",
        "list initrd 'debian/initrd.gz'",
        "list arch 'x64'",
        "config entry 'rescue'\n\toption url 'http://192.168.1.5/r.ipxe'\n\tlist group 'lab'\n",
    ] {
        assert!(config.contains(words), "{words} is missing in:\n{config}");
    }
    let (script, _) = stage.upxe(&["script", "--arch", "x64", "--mac", "52:54:00:12:34:56"]);
    for words in
        ["item debian Debian it's\n", "choose --default debian --timeout 3000", "debian/linux", "quiet", "item rescue"]
    {
        assert!(script.contains(words), "{words} is missing in:\n{script}");
    }
    let (script, _) = stage.upxe(&["script", "--arch", "bios", "--mac", "52:54:00:12:34:56"]);
    assert!(!script.contains("debian/linux"), "{script}");
}

fn rules(stage: &mut Stage) {
    stage.boot_file("lab.efi", 100);
    let mut page = stage.open("files", DESK);
    let mac = row(&mut page, "mac");
    fill(&mut page, &format!("{mac}.networkid"), "lab");
    fill(&mut page, &format!("{mac}.mac"), "52:54:00:*:*:*");
    let boot = row(&mut page, "boot");
    fill(&mut page, &format!("{boot}.networkid"), "lab");
    fill(&mut page, &format!("{boot}.filename"), "lab.efi");
    add(&mut page, &format!("{boot}.dhcp_option_force"), "209,lab.cfg");
    page.value("document.querySelector('[data-type=tag] > input').value = 'lab'");
    assert_eq!(row(&mut page, "tag"), "lab");
    add(&mut page, "lab.dhcp_option", "17,/srv");
    apply(&mut page);
    drop(page);
    sane(stage);
    assert_eq!(offered(stage, &["--arch", "x64", "--mac", "52:54:00:01:02:03"]), "lab.efi", "{}", stage.config());
    assert!(stage.config().contains("config tag 'lab'"), "{}", stage.config());
}

fn refused(stage: &mut Stage) {
    let before = stage.config();
    let mut page = stage.open("files", DESK);
    fill(&mut page, "main.tftp_root", "relative/folder");
    page.value("document.querySelector('.handleSaveApply').click()");
    page.wait("(testEnv.failures || []).some((failure) => failure.includes('invalid input value'))");
    drop(page);
    assert_eq!(stage.config(), before);
}
