//! How far a machine's boot has come: its last steps, the file that it loads, and why it stopped. A few hundred bytes for
//! each machine, whatever it sends; for `upxe status`.

use std::time::Duration;

use super::advice::{Trouble, advice};
use super::architecture::Architecture;
use super::client::{Client, Program};
use super::decision::{Door, Silence};

/// Steps that are kept, the latest ones.
const MAX_STEPS: usize = 12;
/// Bytes for the names of all of them; a name that several steps share is kept once.
const NAMES: usize = 64;
/// After such a pause a request begins a new boot.
const NEW_BOOT: u32 = 60 * TICKS;
/// A load that was silent for so long won't go on.
const GONE: Duration = Duration::from_secs(60);
/// In a second. A tick is coarse enough for 497 days of them.
pub const TICKS: u32 = 100;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It asked, and was not answered.
    Seen,
    /// It was offered a file, or a menu.
    Offered,
    /// It asked on port 4011, and was answered.
    BootServer,
    /// It loads a file by TFTP.
    Loading,
    /// The file came whole.
    Loaded,
    /// It was refused a file, or the transfer ended early.
    Failed,
    /// It loads a file, and was not heard of for a minute.
    Gone,
}

impl Stage {
    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Seen => "seen",
            Stage::Offered => "offered",
            Stage::BootServer => "boot-server",
            Stage::Loading => "loading",
            Stage::Loaded => "loaded",
            Stage::Failed => "failed",
            Stage::Gone => "gone",
        }
    }
}

/// A file that isn't there; loaders try several names, so that it is no news when another one follows.
pub static NOT_FOUND: Trouble = Trouble {
    code: "not-found",
    reason: "it asked for FILE, which is not there",
    advice: "If it needs that file, put it into ROOT. Loaders try several names until one is there.",
};

/// Something that happened, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    at: u32,
    stage: Stage,
    /// The file, in `names`.
    start: u8,
    len: u8,
}

/// How much of a file has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// The file's bytes.
    pub size: u64,
    /// Those that came.
    pub bytes: u64,
    /// Those of a second.
    pub speed: u64,
}

impl Amount {
    /// So many bytes came in that time.
    pub fn new(size: u64, bytes: u64, time: Duration) -> Amount {
        Amount { size, bytes, speed: bytes.saturating_mul(1000) / milliseconds(time).max(1) }
    }
}

/// [`Duration::as_millis`] without its 128 bits, which are much code on a small CPU.
pub fn milliseconds(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1000).saturating_add(time.subsec_millis().into())
}

/// A machine's boot.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The device that it was heard on.
    device: heapless::String<15, u8>,
    client: Option<(Option<Architecture>, Program)>,
    steps: heapless::Vec<Step, MAX_STEPS, u8>,
    names: heapless::String<NAMES, u8>,
    trouble: Option<&'static Trouble>,
    /// Of the file that is or was loaded.
    amount: Amount,
}

impl Progress {
    /// It was heard on this device.
    pub fn heard_on(&mut self, device: &str) {
        if self.device != device {
            // A device's name has at most 15 bytes (linux/if.h).
            self.device = device.try_into().unwrap_or_default();
        }
    }

    /// It was answered with a file, or with nothing.
    pub fn answered(&mut self, now: u32, door: Door, client: &Client, outcome: Result<&str, &Silence>) {
        if door == Door::Proxy && self.steps.last().is_some_and(|last| now.saturating_sub(last.at) > NEW_BOOT) {
            self.steps.clear();
            self.names.clear();
        }
        self.client = Some((client.architectures.first().copied(), client.program));
        self.amount = Amount::default();
        match outcome {
            Ok(file) => {
                self.trouble = None;
                self.step(now, if door == Door::Proxy { Stage::Offered } else { Stage::BootServer }, file);
            }
            Err(silence) => {
                self.trouble = Some(advice(silence));
                self.step(now, Stage::Seen, file_of(silence));
            }
        }
    }

    /// It began to load a file of this size.
    pub fn began(&mut self, now: u32, file: &str, size: u64) {
        // Nobody minds the names that were tried before the right one.
        if self.trouble == Some(&NOT_FOUND) && self.steps.last().is_some_and(|last| last.stage == Stage::Failed) {
            self.steps.pop();
        }
        self.trouble = None;
        self.amount = Amount { size, ..Amount::default() };
        self.step(now, Stage::Loading, file);
    }

    /// The file came whole, or so much of it, and the transfer is over.
    pub fn ended(&mut self, now: u32, file: &str, bytes: u64, time: Duration, trouble: Option<&'static Trouble>) {
        self.trouble = trouble;
        self.amount = Amount::new(self.amount.size, bytes, time);
        self.step(now, if trouble.is_some() { Stage::Failed } else { Stage::Loaded }, file);
    }

    /// The transfer is over that it had begun only to learn the file's size, or in place of which it begins another.
    pub fn withdrew(&mut self, file: &str) {
        let is_it = |last: &Step| last.stage == Stage::Loading && self.name(last) == tail(file);
        if self.steps.last().is_some_and(is_it) {
            self.steps.pop();
        }
    }

    /// It asked for a file that it can't have.
    pub fn refused(&mut self, now: u32, file: &str, trouble: &'static Trouble) {
        self.trouble = Some(trouble);
        self.amount = Amount::default();
        self.step(now, Stage::Failed, file);
    }

    /// The device that it was heard on last.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// What it is, if it asked to boot.
    pub fn client(&self) -> Option<(Option<Architecture>, Program)> {
        self.client
    }

    /// Where it is, nothing having been heard of it for this long; `None` if nothing is known of its boot.
    pub fn stage(&self, silence: Duration) -> Option<Stage> {
        self.steps
            .last()
            .map(|last| if last.stage == Stage::Loading && silence > GONE { Stage::Gone } else { last.stage })
    }

    /// The file that it was offered, or loads.
    pub fn file(&self) -> &str {
        self.steps.last().map_or("", |last| self.name(last))
    }

    /// How much came of its file, once the transfer is over.
    pub fn loaded(&self) -> Amount {
        self.amount
    }

    /// Why it doesn't go on.
    pub fn trouble(&self) -> Option<&'static Trouble> {
        self.trouble
    }

    /// When, which stage, which file: the oldest first.
    pub fn steps(&self) -> impl Iterator<Item = (u32, Stage, &str)> {
        self.steps.iter().map(|step| (step.at, step.stage, self.name(step)))
    }

    fn name(&self, step: &Step) -> &str {
        let start = usize::from(step.start);
        self.names.get(start..start + usize::from(step.len)).unwrap_or_default()
    }

    /// Adds a step, or makes the last one into it when it goes on with that.
    fn step(&mut self, at: u32, stage: Stage, file: &str) {
        let file = tail(file);
        let goes_on = self.steps.last().is_some_and(|last| {
            let same = self.name(last) == file;
            match (last.stage, stage) {
                (Stage::Loading, Stage::Loaded | Stage::Failed) => same,
                // One question after the other without an answer.
                (Stage::Seen, Stage::Seen) | (Stage::Failed, Stage::Failed) => true,
                (last, stage) => last == stage && same,
            }
        });
        if goes_on {
            self.steps.pop();
        }
        if self.steps.is_full() {
            self.steps.remove(0);
        }
        let (start, len) = self.keep(file);
        let _ = self.steps.push(Step { at, stage, start, len });
    }

    /// Finds a place for a name, for which the oldest steps go if need be.
    fn keep(&mut self, file: &str) -> (u8, u8) {
        let len = u8::try_from(file.len()).unwrap_or_default();
        loop {
            if let Some(start) = self.names.find(file) {
                return (u8::try_from(start).unwrap_or_default(), len);
            }
            let start = self.names.len();
            if self.names.push_str(file).is_ok() {
                return (u8::try_from(start).unwrap_or_default(), len);
            }
            self.tidy();
            if self.names.push_str(file).is_ok() {
                let start = self.names.len().saturating_sub(file.len());
                return (u8::try_from(start).unwrap_or_default(), len);
            }
            if self.steps.is_empty() {
                return (0, 0);
            }
            self.steps.remove(0);
        }
    }

    /// Drops the names that no step has any more.
    fn tidy(&mut self) {
        let mut names = heapless::String::<NAMES, u8>::new();
        let mut steps = self.steps.clone();
        for (step, old) in steps.iter_mut().zip(&self.steps) {
            let name = self.name(old);
            let known = names.find(name);
            let start = known.unwrap_or(names.len());
            // What was in it before has room there.
            if known.is_none() && names.push_str(name).is_err() {
                step.len = 0;
            }
            step.start = u8::try_from(start).unwrap_or_default();
        }
        (self.steps, self.names) = (steps, names);
    }
}

/// As much of a name's end as is kept: where a path or a URL tells files apart.
fn tail(file: &str) -> &str {
    let mut start = file.len().saturating_sub(NAMES);
    while !file.is_char_boundary(start) {
        start += 1;
    }
    file.get(start..).unwrap_or_default()
}

/// The file that a silence is about.
fn file_of(silence: &Silence) -> &str {
    match silence {
        Silence::NoFile { looked_for } => looked_for.first().map_or("", String::as_str),
        Silence::NeedsHttp { url: file } | Silence::Looping { file } => file,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        let mut architectures = heapless::Vec::new();
        architectures.push(Architecture(7)).unwrap();
        Client { program: Program::Pxe, architectures, vendor: "PXEClient".to_owned() }
    }

    fn said(progress: &Progress) -> String {
        let steps = progress.steps().map(|(at, stage, file)| format!("{at} {} {file}", stage.name()));
        steps.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_boot_is_told_step_by_step() {
        let mut boot = Progress::default();
        boot.answered(1, Door::Proxy, &client(), Ok("snponly.efi"));
        boot.answered(2, Door::Proxy, &client(), Ok("snponly.efi"));
        boot.answered(3, Door::BootServer, &client(), Ok("snponly.efi"));
        boot.began(4, "snponly.efi", 1000);
        boot.withdrew("snponly.efi");
        boot.began(5, "snponly.efi", 1000);
        assert_eq!(boot.stage(Duration::from_secs(59)), Some(Stage::Loading));
        assert_eq!(boot.stage(Duration::from_secs(61)), Some(Stage::Gone));
        boot.ended(7, "snponly.efi", 1000, Duration::from_millis(20), None);
        assert_eq!(boot.loaded(), Amount { size: 1000, bytes: 1000, speed: 50_000 });
        boot.refused(8, "grub.cfg-01", &NOT_FOUND);
        boot.refused(9, "grub.cfg-C0", &NOT_FOUND);
        assert_eq!(boot.trouble().unwrap().code, "not-found");
        boot.began(10, "grub.cfg", 10);
        let gave_up = &Trouble { code: "no-answer", reason: "", advice: "" };
        boot.ended(11, "grub.cfg", 3, Duration::ZERO, Some(gave_up));
        assert_eq!(
            said(&boot),
            "2 offered snponly.efi, 3 boot-server snponly.efi, 7 loaded snponly.efi, 11 failed grub.cfg"
        );
        let amount = Amount { size: 10, bytes: 3, speed: 3000 };
        assert_eq!((boot.file(), boot.loaded(), boot.trouble()), ("grub.cfg", amount, Some(gave_up)));
        boot.answered(11 + NEW_BOOT, Door::Proxy, &client(), Ok("a"));
        assert_eq!(boot.steps().count(), 5);
        boot.answered(12 + 2 * NEW_BOOT, Door::Proxy, &client(), Ok("a"));
        assert_eq!(said(&boot), format!("{} offered a", 12 + 2 * NEW_BOOT));
    }

    #[test]
    fn silence_says_why() {
        let mut boot = Progress::default();
        let silence = Silence::NoFile { looked_for: vec!["snponly.efi".to_owned(), "ipxe.efi".to_owned()] };
        boot.answered(1, Door::Proxy, &client(), Err(&silence));
        boot.answered(400, Door::Proxy, &client(), Err(&Silence::NeedsUrl));
        boot.answered(800, Door::Proxy, &client(), Err(&silence));
        assert_eq!(said(&boot), "800 seen snponly.efi");
        assert_eq!(boot.trouble().unwrap().code, "no-file");
        boot.answered(900, Door::Proxy, &client(), Ok("x"));
        assert_eq!(boot.trouble(), None);
    }

    /// Names of every length, one after the other, in an order that comes round.
    #[test]
    fn names_are_kept_as_long_as_there_is_room_and_never_mixed_up() {
        let mut boot = Progress::default();
        let mut expected: Vec<String> = Vec::new();
        for number in 0..2000_usize {
            let name = format!("{number}{}", "é/".repeat(number * 7 % 90));
            boot.began(number as u32, &name, 1);
            expected.push(tail(&name).to_owned());
            assert!(tail(&name).len() <= NAMES && name.ends_with(tail(&name)));
            let names: Vec<&str> = boot.steps().map(|(_, _, name)| name).collect();
            assert!(
                !names.is_empty() && expected.ends_with(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())
            );
        }
        for number in 0..100 {
            boot.began(number, ["a", "b"][number as usize % 2], 1);
        }
        assert_eq!(boot.steps().count(), MAX_STEPS);
    }

    #[test]
    fn it_stays_small() {
        assert!(super::super::clients::MAX_CLIENTS * size_of::<Progress>() <= 64 << 10, "{}", size_of::<Progress>());
    }
}
