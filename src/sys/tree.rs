//! Files beneath a folder: nothing that a client writes, and no link on the way, leads out of it unasked.

use std::cell::Cell;
use std::ffi::{CStr, CString, OsStr};
use std::fs::{File, Metadata};
use std::io::{self, IoSliceMut, Read};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::privileges::is_root;
use super::{owned_fd, transferred};

/// How often an open is tried that a rename on the way has made uncertain (openat2(2), EAGAIN).
const MAX_RACES: u32 = 4;
/// Read permission for everybody.
const WORLD_READABLE: u32 = 0o004;
/// How something is looked at before it is opened: opening a device or a FIFO may set things in motion.
const LOOK_FLAGS: i32 = libc::O_PATH | libc::O_CLOEXEC;
/// How a file is opened: a FIFO that has come in its place since must not stop the service.
/// O_LARGEFILE is for openat2, which nobody adds it to on 32-bit machines.
const FILE_FLAGS: i32 = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_LARGEFILE;
/// How folders on the way are opened.
const FOLDER_FLAGS: i32 = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;

/// A folder whose files are served, with other folders that links in it may lead to.
///
/// The folders are looked up anew for every file: a USB stick may be plugged in or replaced at any time.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    allow: Vec<PathBuf>,
    resolver: Cell<Resolver>,
}

/// Who sees to it that a path stays beneath a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolver {
    /// The kernel: openat2(2), Linux 5.6. Without it the walk takes over by itself.
    Openat2,
    /// We, one component after the other.
    Walk,
}

/// A file that may be served.
#[derive(Debug)]
pub struct ServedFile {
    source: Source,
    size: u64,
    version: Option<Version>,
}

/// A file, and when it was changed last: what two who opened the same version read is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    device: u64,
    inode: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

/// Where its bytes are.
#[derive(Debug)]
enum Source {
    File(File),
    Memory(Box<[u8]>),
}

/// Why there is no file to serve.
#[derive(Debug)]
pub enum Refused {
    /// The root itself cannot be opened.
    NoRoot(io::Error),
    /// No such file.
    NotFound,
    /// A folder, a FIFO, a device or a socket.
    NotAFile,
    /// Not everybody may read it, so neither may a client that hasn't proved who it is.
    NotReadable,
    /// A link on the way leads here, outside the root and every allowed folder.
    Outside(PathBuf),
    /// The system had trouble with it.
    Failed(io::Error),
}

impl Tree {
    /// Serves the files beneath `root`, and those beneath `allow` that links lead to. Neither need exist yet.
    pub fn new(root: PathBuf, allow: Vec<PathBuf>) -> Self {
        Self::with_resolver(root, allow, Resolver::Openat2)
    }

    /// The same, with a choice of who follows paths.
    pub fn with_resolver(root: PathBuf, allow: Vec<PathBuf>, resolver: Resolver) -> Self {
        Self { root, allow, resolver: Cell::new(resolver) }
    }

    /// The root, as configured.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Sees whether the root can be opened now.
    ///
    /// # Errors
    /// The reason why not.
    pub fn check_root(&self) -> io::Result<()> {
        open_folder(&self.root).map(|_| ())
    }

    /// False when nothing is at `path`, relative to the root, or no folder, so that no file beneath it can be opened.
    pub fn may_have_folder(&self, path: &[u8]) -> bool {
        let Ok(name) = c_string(path) else { return false };
        // For want of a descriptor, say: whoever looks for the file will see.
        let Ok(root) = open_folder(&self.root) else { return true };
        // Wherever a link leads to: files are opened only where they may be.
        let opened = open_at(root.as_fd(), &name, FOLDER_FLAGS);
        !opened.is_err_and(|error| matches!(refused(error), Refused::NotFound))
    }

    /// Opens the file at `path`, relative to the root.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn open(&self, path: &[u8]) -> Result<ServedFile, Refused> {
        let name = c_string(path)?;
        let root = open_folder(&self.root).map_err(Refused::NoRoot)?;
        if self.resolver.get() == Resolver::Openat2 {
            match ServedFile::open(&|flags| open_beneath(root.as_fd(), &name, flags)) {
                Err(Refused::Failed(error)) => match error.raw_os_error() {
                    // A container may forbid system calls that it has never heard of (EPERM).
                    Some(libc::ENOSYS | libc::EPERM) => self.resolver.set(Resolver::Walk),
                    // It leads out: perhaps to where it may, or only by way of the root's full name.
                    Some(libc::EXDEV) => {}
                    _ => return Err(Refused::Failed(error)),
                },
                result => return result,
            }
        }
        self.open_resolved(path)
    }

    /// Follows every link first, and then opens what they led to without following any. Whatever is changed between
    /// the two, what is opened lies beneath a folder that may be served.
    fn open_resolved(&self, path: &[u8]) -> Result<ServedFile, Refused> {
        let real = self.root.join(OsStr::from_bytes(path)).canonicalize().map_err(refused)?;
        let homes = std::iter::once(&self.root).chain(&self.allow);
        let home = homes.filter_map(|home| home.canonicalize().ok()).find(|home| real.starts_with(home));
        let Some(home) = home else { return Err(Refused::Outside(real)) };
        let beneath = real.strip_prefix(&home).unwrap_or(&real);
        let (folder, name) = folder_of(open_folder(&home).map_err(refused)?, beneath)?;
        ServedFile::open(&|flags| open_at(folder.as_fd(), &name, flags | libc::O_NOFOLLOW))
    }
}

impl ServedFile {
    /// What never was a file.
    pub fn in_memory(bytes: Vec<u8>) -> Self {
        Self { size: bytes.len() as u64, source: Source::Memory(bytes.into_boxed_slice()), version: None }
    }

    /// Bytes in the file when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Which version of which file it was when it was opened; `None` for what never was a file.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        match &self.source {
            Source::File(_) => 0,
            Source::Memory(bytes) => bytes.len(),
        }
    }

    /// All of its bytes.
    ///
    /// # Errors
    /// `FileTooLarge` if there are more than `limit`; those of the file system.
    pub fn read_whole(&self, limit: usize) -> io::Result<Vec<u8>> {
        let size = usize::try_from(self.size).ok().filter(|size| *size <= limit).ok_or(io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; size];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_at(&mut [IoSliceMut::new(rest)], done as u64)? {
                0 => break,
                count => done += count,
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    /// Reads from `offset` into `parts`, in one system call. Returns the number of bytes read, which is less than was
    /// asked for at the end of the file.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read_at(&self, parts: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        let file = match &self.source {
            Source::File(file) => file,
            Source::Memory(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                return bytes.get(from..).unwrap_or_default().read_vectored(parts);
            }
        };
        let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        // SAFETY: IoSliceMut is guaranteed to be laid out as an iovec, and each describes memory that we may write.
        transferred(unsafe {
            libc::preadv(file.as_raw_fd(), parts.as_mut_ptr().cast(), parts.len() as libc::c_int, offset)
        })
    }

    /// Looks at what `open` opens, and then opens it if it is a file that may be served.
    fn open(open: &dyn Fn(i32) -> io::Result<OwnedFd>) -> Result<Self, Refused> {
        let looked = file_metadata(&File::from(open(LOOK_FLAGS).map_err(refused)?))?;
        let file = File::from(open(FILE_FLAGS).map_err(|error| match refused(error) {
            // Not the file's permissions are against it but what this process confined itself to.
            Refused::NotReadable if looked.mode() & WORLD_READABLE != 0 => {
                Refused::Failed(io::Error::from_raw_os_error(libc::EACCES))
            }
            why => why,
        })?);
        let metadata = file_metadata(&file)?;
        // Who may read everything would send what others may not see.
        if metadata.mode() & WORLD_READABLE == 0 && is_root() {
            return Err(Refused::NotReadable);
        }
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        let version = Some(Version { device: metadata.dev(), inode: metadata.ino(), changed });
        Ok(Self { source: Source::File(file), size: metadata.size(), version })
    }
}

fn file_metadata(file: &File) -> Result<Metadata, Refused> {
    let metadata = file.metadata().map_err(refused)?;
    if metadata.is_file() { Ok(metadata) } else { Err(Refused::NotAFile) }
}

/// `struct open_how` of openat2(2).
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

fn open_beneath(folder: BorrowedFd<'_>, path: &CStr, flags: i32) -> io::Result<OwnedFd> {
    let how = OpenHow { flags: flags as u64, mode: 0, resolve: libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS };
    for _ in 0..MAX_RACES {
        // SAFETY: `path` is NUL-terminated, `how` is what its size says, and both outlive the call.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                folder.as_raw_fd(),
                path.as_ptr(),
                &raw const how,
                mem::size_of::<OpenHow>(),
            )
        };
        match owned_fd(fd as i32) {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            result => return result,
        }
    }
    Err(io::Error::from_raw_os_error(libc::EAGAIN))
}

/// Opens the folder of `path` beneath `folder`, where no component is a link; and the last component's name.
fn folder_of(mut folder: OwnedFd, path: &Path) -> Result<(OwnedFd, CString), Refused> {
    let mut names = path.iter();
    let last = names.next_back().ok_or(Refused::NotAFile)?;
    for name in names {
        let opened = open_at(folder.as_fd(), &c_string(name.as_bytes())?, FOLDER_FLAGS | libc::O_NOFOLLOW);
        folder = opened.map_err(refused)?;
    }
    Ok((folder, c_string(last.as_bytes())?))
}

fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path is NUL-terminated and outlives the call.
    owned_fd(unsafe { libc::open(path.as_ptr(), FOLDER_FLAGS) })
}

fn open_at(folder: BorrowedFd<'_>, name: &CStr, flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: the name is NUL-terminated and outlives the call.
    owned_fd(unsafe { libc::openat(folder.as_raw_fd(), name.as_ptr(), flags) })
}

fn c_string(bytes: &[u8]) -> Result<CString, Refused> {
    CString::new(bytes).map_err(|_| Refused::NotFound)
}

fn refused(error: io::Error) -> Refused {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG) => Refused::NotFound,
        Some(libc::EACCES) => Refused::NotReadable,
        // A socket, or a device without a driver.
        Some(libc::ENXIO | libc::ENODEV) => Refused::NotAFile,
        _ => Refused::Failed(error),
    }
}
