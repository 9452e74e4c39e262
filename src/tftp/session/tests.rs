//! What a session does with single packets; whole transfers are played in tests/tftp.

use super::*;
use crate::wire::tftp::Packet;

const MS: Duration = Duration::from_millis(1);

/// A session under test, its clock, and what it wanted last.
struct Play {
    session: Session,
    now: Instant,
    action: Action,
}

impl Play {
    /// Begins a transfer of `size` bytes for a client that sends these options, as `\0blksize\x008\0...`.
    fn new(size: u64, options: &str) -> Self {
        let request = format!("\0\x01x\0octet\0{options}");
        let Ok(Packet::ReadRequest(request)) = Packet::read(request.as_bytes()) else { panic!("not read") };
        let terms = crate::tftp::negotiate::negotiate(request.options, Some(size), 1500, u32::MAX);
        let now = Instant::now();
        let (session, action) = Session::start(now, terms, Content::Octet(size), 3);
        Self { session, now, action }
    }

    /// As above with the round trip known to be 1 ms, and the first window of `windowsize` just sent.
    fn running(blocks: u64, windowsize: u16) -> Self {
        let mut play = Self::new((blocks - 1) * 8, &format!("blksize\x008\0windowsize\0{windowsize}\0"));
        assert_eq!(play.action, Action::SendOptionAck);
        play.now += MS;
        assert_eq!(play.ack(0), window(1, u64::from(windowsize).min(blocks)));
        play
    }

    fn ack(&mut self, block: u16) -> Action {
        let [a, b] = block.to_be_bytes();
        self.session.on_packet(self.now, &[0, 4, a, b])
    }

    fn pass(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    /// Lets time pass until the deadline, and returns how long that was.
    fn expire(&mut self) -> (u128, Action) {
        let wait = self.session.deadline() - self.now;
        self.now = self.session.deadline();
        (wait.as_millis(), self.session.on_deadline(self.now))
    }
}

/// Blocks `first` to `last`.
fn window(first: u64, last: u64) -> Action {
    Action::Send(Blocks { first, count: (last - first + 1) as u16 })
}

#[test]
fn without_options_the_first_block_comes_at_once() {
    let mut play = Play::new(1000, "");
    assert_eq!(play.action, window(1, 1));
    assert_eq!(play.ack(1), window(2, 2));
    assert_eq!(play.ack(2), Action::End(End::Complete));
    assert_eq!(play.session.resent(), 0);
}

#[test]
fn the_last_block_is_shorter_than_the_others_and_may_be_empty() {
    for (size, last) in [(0, 1), (1, 1), (511, 1), (512, 2), (513, 2), (1024, 3)] {
        let mut play = Play::new(size, "");
        for block in 1..last {
            assert_eq!(play.ack(block), window(u64::from(block) + 1, u64::from(block) + 1), "{size} bytes");
        }
        assert_eq!(play.ack(last), Action::End(End::Complete), "{size} bytes");
    }
}

#[test]
fn windows_follow_each_other_and_end_with_the_file() {
    let mut play = Play::running(10, 4);
    assert_eq!(play.ack(4), window(5, 8));
    assert_eq!(play.ack(8), window(9, 10));
    assert_eq!(play.ack(10), Action::End(End::Complete));
    assert_eq!(play.session.resent(), 0);
}

#[test]
fn acks_that_tell_nothing_new_are_overlooked() {
    for (windowsize, first, stray, why) in [
        (1, 1, 1, "repeated at once"),
        (1, 1, 0, "old"),
        (1, 1, 3, "of a block not sent"),
        (1, 1, 40_000, "far ahead"),
        (1, 1, 65_535, "far behind"),
        (4, 4, 4, "repeated at once"),
        (4, 4, 2, "old, of the window before"),
        (4, 4, 9, "of a block not sent"),
    ] {
        let mut play = Play::running(100, windowsize);
        assert_ne!(play.ack(first), Action::Wait);
        let deadline = play.session.deadline();
        for _ in 0..3 {
            assert_eq!(play.ack(stray), Action::Wait, "{why}");
        }
        assert_eq!(play.session.deadline(), deadline, "{why}");
    }
}

#[test]
fn the_oack_is_acknowledged_with_0_and_nothing_else() {
    let mut play = Play::new(1000, "blksize\x00100\0");
    assert_eq!(play.ack(1), Action::Wait);
    assert_eq!(play.ack(65535), Action::Wait);
    assert_eq!(play.ack(0), window(1, 1));
    assert_eq!(play.ack(0), Action::Wait);
}

#[test]
fn an_ack_from_inside_a_window_begins_it_anew() {
    let mut play = Play::running(100, 8);
    assert_eq!(play.pass(MS).ack(8), window(9, 16));
    assert_eq!(play.pass(MS).ack(11), window(12, 19));
    assert_eq!(play.session.resent(), 5);
    // What was under way meanwhile makes the client say the same again.
    assert_eq!(play.ack(11), Action::Wait);
    assert_eq!(play.ack(11), Action::Wait);
    // A second loss, in what was never sent before.
    assert_eq!(play.pass(MS).ack(17), window(18, 25));
    assert_eq!(play.pass(MS).ack(25), window(26, 33));
    assert_eq!(play.session.resent(), 5 + 2);
}

#[test]
fn an_ack_that_may_be_about_a_second_copy_is_looked_into() {
    let mut play = Play::running(100, 8);
    assert_eq!(play.pass(MS).ack(3), window(4, 11));
    // Blocks up to 8 have been sent twice.
    assert_eq!(play.pass(MS).ack(5), Action::Wait);
    assert_eq!(play.expire(), (1, window(11, 11)));
    // Nothing was lost.
    assert_eq!(play.pass(MS).ack(11), window(12, 19));
    assert_eq!(play.expire(), (20, window(19, 19)));

    let mut play = Play::running(100, 8);
    assert_eq!(play.pass(MS).ack(3), window(4, 11));
    assert_eq!(play.pass(MS).ack(5), Action::Wait);
    assert_eq!(play.expire(), (1, window(11, 11)));
    // Block 6 was lost again.
    assert_eq!(play.pass(MS).ack(5), window(6, 13));
}

#[test]
fn a_repeated_ack_a_round_trip_later_tells_of_the_loss_of_a_windows_first_block() {
    let mut play = Play::running(100, 4);
    assert_eq!(play.ack(0), Action::Wait);
    assert_eq!(play.pass(MS).ack(0), window(1, 4));
    // Of the window's other blocks.
    assert_eq!(play.ack(0), Action::Wait);
    assert_eq!(play.pass(MS).ack(0), Action::Wait);
    // In lock-step there are none.
    let mut play = Play::running(100, 1);
    assert_eq!(play.pass(MS).ack(0), Action::Wait);
}

#[test]
fn a_client_that_acknowledges_every_block_of_a_window_gets_few_of_them_twice() {
    let mut play = Play::running(64, 16);
    let mut sent = 16;
    let mut next = 1;
    while play.session.acked() < 64 {
        play.now += MS / 16;
        if let Action::Send(Blocks { count, .. }) = play.ack(next) {
            sent += u64::from(count);
        }
        next += 1;
    }
    assert!(sent <= 2 * 64, "{sent} blocks sent");
}

#[test]
fn what_is_not_answered_is_sent_again() {
    let mut play = Play::running(100, 4);
    assert_eq!(play.expire(), (20, window(4, 4)));
    assert_eq!(play.expire(), (40, window(1, 4)));
    assert_eq!(play.expire(), (80, window(1, 4)));
    assert_eq!(play.session.resent(), 1 + 4 + 4);
    assert_eq!(play.ack(4), window(5, 8));
    assert_eq!(play.session.on_deadline(play.now), Action::Wait);
}

#[test]
fn a_repeated_ack_helps_when_an_answer_is_overdue() {
    let mut play = Play::running(100, 1);
    let _ = play.expire();
    let _ = play.expire();
    // Our own wait is 80 ms by now; the client's question comes sooner.
    assert_eq!(play.pass(19 * MS).ack(0), Action::Wait);
    assert_eq!(play.pass(MS).ack(0), window(1, 1));
    assert_eq!(play.ack(0), Action::Wait);
}

#[test]
fn block_numbers_wrap() {
    let mut play = Play::new(70_000 * 512, "");
    for block in 1..=70_000u64 {
        assert_eq!(play.ack(block as u16), window(block + 1, block + 1));
    }
    let mut play = Play::running(70_000, 64);
    let mut acked = 0u64;
    while let Action::Send(Blocks { first, count }) = play.ack((acked + 64).min(70_000) as u16) {
        acked += 64;
        assert_eq!((first, u64::from(count)), (acked + 1, 64.min(70_000 - acked)));
    }
    assert!(play.session.acked() == 70_000);
}

#[test]
fn a_silent_client_is_given_up() {
    let mut play = Play::new(1000, "tsize\x000\0");
    let mut waits = Vec::new();
    let end = loop {
        let (wait, action) = play.expire();
        waits.push(wait);
        if action != Action::SendOptionAck {
            break action;
        }
    };
    assert_eq!(end, Action::End(End::Unanswered));
    assert_eq!(waits, [250, 500, 1000, 2000]);

    for (blocks, windowsize, end) in [(100, 4, End::Silent), (3, 4, End::Unconfirmed)] {
        let mut play = Play::running(blocks, windowsize);
        let start = play.now;
        let action = loop {
            match play.expire() {
                (_, Action::Send(_)) => {}
                (_, action) => break action,
            }
        };
        assert_eq!(action, Action::End(end));
        assert!((20..25).contains(&(play.now - start).as_secs()));
        assert!(end.tells_client().is_some());
    }
}

#[test]
fn impatience_does_not_keep_a_transfer_alive() {
    let mut play = Play::running(100, 4);
    let start = play.now;
    while play.pass(25 * MS).ack(0) != Action::End(End::Silent) {
        assert!(play.now < start + 30_000 * MS);
    }
}

#[test]
fn an_error_ends_it() {
    let abort = b"\0\x05\0\x08User aborted\0";
    let mut play = Play::new(1000, "tsize\x000\0");
    assert_eq!(play.session.on_packet(play.now, abort), Action::End(End::Probe));
    assert_eq!(End::Probe.tells_client(), None);
    let mut play = Play::running(100, 4);
    assert_eq!(play.session.on_packet(play.now, abort), Action::End(End::Aborted(ErrorCode(8))));
    assert_eq!(End::Aborted(ErrorCode(8)).tells_client(), None);
}

#[test]
fn other_packets_are_overlooked() {
    let mut play = Play::running(100, 4);
    for packet in [
        &b""[..],
        b"\0",
        b"\0\x01x\0octet\0",
        b"\0\x02x\0octet\0",
        b"\0\x03\0\x01x",
        b"\0\x04\0",
        b"\0\x06",
        b"\xff\xff",
    ] {
        assert_eq!(play.session.on_packet(play.now, packet), Action::Wait, "{}", packet.escape_ascii());
    }
}
