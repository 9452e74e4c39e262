//! A local socket at which the service answers questions, open to its own user only.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Everything but reading and writing by the owner.
const OTHERS: libc::mode_t = 0o177;

/// Listens at `path`, whose folder is made if it isn't there; what a service that has ended left there is replaced. To be
/// called by a process of one thread: the permissions of files that others make meanwhile would be narrowed too.
///
/// # Errors
/// `AddrInUse` when another service answers there; without the right to make files there; for a path of over 107 bytes.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        DirBuilder::new().mode(0o755).create(folder)?;
    }
    if fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket()) {
        if UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        fs::remove_file(path)?;
    }
    // SAFETY: no pointers are involved.
    let before = unsafe { libc::umask(OTHERS) };
    let listener = UnixListener::bind(path);
    // SAFETY: as above.
    unsafe { libc::umask(before) };
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let folder = std::env::temp_dir().join(format!("upxe-socket-{}", std::process::id()));
        let path = folder.join("status");
        let first = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        drop(listen(&path).unwrap());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        assert!(listen(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"mine", "a file of somebody's is left alone");
        fs::remove_dir_all(&folder).unwrap();
    }
}
