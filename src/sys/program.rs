//! What another program says of itself, in its first line.

use std::ffi::{CStr, c_char};

/// Room for a line.
const LINE: usize = 256;

/// The first line that `command` prints, which a shell runs; `None` if it prints nothing.
pub fn first_line(command: &CStr) -> Option<String> {
    let mut line = [0; LINE];
    // SAFETY: both strings end with a NUL.
    let stream = unsafe { libc::popen(command.as_ptr(), c"r".as_ptr()) };
    if stream.is_null() {
        return None;
    }
    // SAFETY: the stream is open, and `line` has room for as many bytes as are said, its NUL among them.
    let read = unsafe { libc::fgets(line.as_mut_ptr().cast::<c_char>(), LINE as i32, stream) };
    let is_line = !read.is_null();
    // SAFETY: popen() opened the stream, and nobody uses it any more.
    unsafe { libc::pclose(stream) };
    let line = CStr::from_bytes_until_nul(&line).ok().filter(|_| is_line)?;
    Some(line.to_string_lossy().trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_read() {
        assert_eq!(first_line(c"echo one; echo two").as_deref(), Some("one"));
        assert_eq!(first_line(c"exit 3"), None);
        assert_eq!(first_line(c"no-such-program 2>/dev/null"), None);
        assert_eq!(first_line(c"printf %0300d 7").map(|line| line.len()), Some(LINE - 1));
    }
}
