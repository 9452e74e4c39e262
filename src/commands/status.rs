//! `upxe status`: what the running service says of itself and of the machines that boot.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long the service may take to answer; it needs a few milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than it ever says.
const MAX_ANSWER: u64 = 4 << 20;

/// The service's own word, one JSON object.
///
/// # Errors
/// When nobody answers at `socket`, or this user may not ask.
pub fn ask(socket: &Path) -> io::Result<String> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    // A service that ended meanwhile leaves half an answer.
    if answer.ends_with("}\n") { Ok(answer) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Why there was no answer, and what to do.
pub fn silence(error: &io::Error, socket: &Path) -> String {
    let socket = socket.to_string_lossy();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ["nobody answers at ", &socket, "; 'service upxe start' starts it"].concat()
        }
        io::ErrorKind::PermissionDenied => ["only root may ask at ", &socket].concat(),
        _ => [&socket, ": ", error.to_string().as_str()].concat(),
    }
}

/// A time in words, as long as it needs to be.
pub fn ago(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (number, unit) = match seconds {
        0..120 => (seconds, " s"),
        120..7200 => (seconds / 60, " min"),
        7200..172_800 => (seconds / 3600, " h"),
        _ => (seconds / 86400, " days"),
    };
    [&number.to_string(), unit].concat()
}
