//! Captures and hex text that `upxe explain` is given.

use upxe::wire::capture::{MAX_REQUESTS, hex, packet, pcap};

use crate::input::is_one_line;
use crate::seeds;

/// The first byte says what the rest is.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 3 {
        0 => match pcap(rest) {
            Ok(capture) => {
                assert!(capture.requests.len() <= MAX_REQUESTS);
                for request in &capture.requests {
                    assert!(rest.as_ptr_range().contains(&request.payload.as_ptr()));
                    assert!(matches!(request.ports, Some((_, 67 | 4011))) && request.payload.first() == Some(&1));
                }
                if let Some(trouble) = capture.trouble {
                    assert!(is_one_line(&trouble.to_string()));
                }
            }
            Err(error) => assert!(is_one_line(&error.to_string())),
        },
        1 => match hex(&String::from_utf8_lossy(rest)) {
            Ok(bytes) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(hex(&digits).as_ref(), Ok(&bytes));
            }
            Err(error) => assert!(is_one_line(&error.to_string()), "{error}"),
        },
        _ => {
            if let Ok(found) = packet(rest) {
                assert!(found.payload.len() <= rest.len());
            }
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let whole =
        seeds::files("tests/captures").into_iter().map(|path| [&[0][..], &std::fs::read(path).unwrap()].concat());
    let frames = seeds::captures().into_iter().filter_map(|frames| frames.into_iter().next());
    let frames: Vec<Vec<u8>> = frames.collect();
    let text = |frame: &Vec<u8>| {
        let rows = frame.chunks(16).enumerate();
        let row = |(at, row): (usize, &[u8])| {
            let digits: String = row.iter().map(|byte| format!("{byte:02x} ")).collect();
            format!("{:08x}  {digits} |text|\n", at * 16)
        };
        [&[1][..], rows.map(row).collect::<String>().as_bytes()].concat()
    };
    let hex = frames.iter().map(text);
    let single = frames.iter().flat_map(|frame| [[&[2][..], frame].concat(), [&[2][..], &frame[14..]].concat()]);
    whole.chain(hex).chain(single).collect()
}
