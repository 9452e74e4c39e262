//! The system calls that the standard library has no words for.

use std::io;
use std::mem;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Longest datagram that is looked at.
pub const PACKET: usize = 2048;
/// Datagrams taken in one call.
pub const BATCH: usize = 64;

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Confines this process, and those it will start, to the last of its cores, ahead of others.
pub fn settle() -> io::Result<()> {
    // SAFETY: the sets are plain data that outlive the calls.
    unsafe {
        let mut allowed: libc::cpu_set_t = mem::zeroed();
        check(libc::sched_getaffinity(0, mem::size_of_val(&allowed), &raw mut allowed))?;
        let last = (0..libc::CPU_SETSIZE as usize).rev().find(|&core| libc::CPU_ISSET(core, &allowed)).unwrap_or(0);
        let mut chosen: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(last, &mut chosen);
        check(libc::sched_setaffinity(0, mem::size_of_val(&chosen), &raw const chosen))?;
        check(libc::setpriority(libc::PRIO_PROCESS, 0, -10))?;
        // Delays are played to the microsecond.
        check(libc::prctl(libc::PR_SET_TIMERSLACK, 1))?;
    }
    Ok(())
}

/// To be called in a child before it becomes another program: it shall not outlive us.
pub fn die_with_parent() -> io::Result<()> {
    // SAFETY: no pointers are involved.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }).map(drop)
}

/// The CPU time of a process, of all its threads that ever were, without its children.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let mut clock = 0;
    // SAFETY: the pointers are to `clock` and `time`, which outlive the calls; all zeros is a valid timespec.
    unsafe {
        match libc::clock_getcpuclockid(pid as i32, &raw mut clock) {
            0 => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
        let mut time: libc::timespec = mem::zeroed();
        check(libc::clock_gettime(clock, &raw mut time))?;
        Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }
}

/// Ends a child by a signal that lets it finish its work.
pub fn interrupt(pid: u32) {
    // SAFETY: no pointers are involved. The child is ours and not waited for yet, so the number is still its own.
    unsafe { libc::kill(pid as i32, libc::SIGINT) };
}

/// Binds a socket to a device, for broadcasts.
pub fn bind_to_device(socket: &UdpSocket, device: &str) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, device.as_bytes())
}

/// Sends of more than `size` bytes leave as datagrams of `size` bytes.
pub fn segment(socket: &UdpSocket, size: u16) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_SEGMENT, &i32::from(size).to_ne_bytes())
}

fn set_option(socket: &UdpSocket, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    // SAFETY: the pointer and the length describe `value`, which outlives the call.
    check(unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), value.len() as libc::socklen_t)
    })
    .map(drop)
}

/// Fills `parts` from `offset` of a file in one call.
pub fn read_at(file: &std::fs::File, parts: &mut [io::IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
    // SAFETY: IoSliceMut is laid out as an iovec, and each describes memory that we may write.
    let read =
        unsafe { libc::preadv(file.as_raw_fd(), parts.as_mut_ptr().cast(), parts.len() as i32, offset as libc::off_t) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// Takes datagrams, many in one call.
pub struct Inbox {
    buffers: Vec<[u8; PACKET]>,
    lengths: [usize; BATCH],
    count: usize,
}

impl Inbox {
    pub fn new() -> Self {
        Self { buffers: vec![[0; PACKET]; BATCH], lengths: [0; BATCH], count: 0 }
    }

    /// One that takes nothing.
    pub fn none() -> Self {
        Self { buffers: Vec::new(), lengths: [0; BATCH], count: 0 }
    }

    /// Waits for a datagram, as long as the socket does, and takes at most `most` of those that are there.
    pub fn receive(&mut self, socket: &UdpSocket, most: usize) -> io::Result<()> {
        self.count = 0;
        if most == 1 {
            self.lengths[0] = socket.recv(&mut self.buffers[0])?;
            self.count = 1;
            return Ok(());
        }
        // SAFETY: every header points to a part, every part to a buffer; all outlive the call, and are plain data for
        // which zeros are valid.
        let count = unsafe {
            let mut parts: [libc::iovec; BATCH] = mem::zeroed();
            let mut headers: [libc::mmsghdr; BATCH] = mem::zeroed();
            for ((part, header), buffer) in parts.iter_mut().zip(&mut headers).zip(&mut self.buffers) {
                (part.iov_base, part.iov_len) = (buffer.as_mut_ptr().cast(), PACKET);
                (header.msg_hdr.msg_iov, header.msg_hdr.msg_iovlen) = (part, 1);
            }
            let most = most.min(BATCH) as u32;
            let flags = libc::MSG_WAITFORONE;
            let result =
                libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), most, flags as _, std::ptr::null_mut());
            let count = check(result)?;
            for (length, header) in self.lengths.iter_mut().zip(&headers) {
                *length = header.msg_len as usize;
            }
            count
        };
        self.count = count as usize;
        Ok(())
    }

    /// What was taken.
    pub fn packets(&self) -> impl Iterator<Item = &[u8]> {
        self.buffers.iter().zip(self.lengths).take(self.count).map(|(buffer, len)| &buffer[..len])
    }
}

/// Many sockets to wait for.
pub struct Epoll(OwnedFd);

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: the descriptor is new, and nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) }))
    }

    pub fn add(&self, socket: &UdpSocket, token: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token as u64 };
        // SAFETY: `event` outlives the call.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &raw mut event) })
            .map(drop)
    }

    /// Waits to the microsecond, unlike epoll_wait.
    pub fn wait(&self, timeout: Duration) -> io::Result<impl Iterator<Item = usize> + use<>> {
        let timeout =
            libc::timespec { tv_sec: timeout.as_secs() as libc::time_t, tv_nsec: timeout.subsec_nanos() as _ };
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        // SAFETY: the pointers and the count describe `events` and `timeout`, which outlive the call.
        let count = check(unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.0.as_raw_fd(),
                events.as_mut_ptr(),
                BATCH as i32,
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        } as i32)?;
        Ok(events.into_iter().take(count as usize).map(|event| event.u64 as usize))
    }
}
