//! Which pages of the program itself stay in memory.

use std::ffi::{c_int, c_void};

/// Gives the program's code and constants back, as far as they can be read from its file again. To start and to read the
/// configuration takes most of the program, to serve takes little of it, and that little comes back by itself, from the page
/// cache. What was written to stays.
pub fn give_back() {
    // SAFETY: the function below is of the type that is called.
    unsafe { libc::dl_iterate_phdr(Some(give_back_object), std::ptr::null_mut()) };
}

/// Called with the program first, before any library that it may have.
extern "C" fn give_back_object(info: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
    // SAFETY: dl_iterate_phdr(3) hands out a valid description, and as many program headers as it says.
    let (base, headers) = unsafe {
        let info = &*info;
        (info.dlpi_addr as usize, std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()))
    };
    // SAFETY: no pointers are involved.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    for header in headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let start = base.wrapping_add(header.p_vaddr as usize) & !(page - 1);
        let end = base.wrapping_add(header.p_vaddr as usize).wrapping_add(header.p_memsz as usize);
        // SAFETY: the pages are a private mapping of the program's file that nothing can write to: what is read from them
        // later is what is read from them now. A mapping that ends elsewhere is an error, which changes nothing.
        unsafe { libc::madvise(start as *mut c_void, end.wrapping_sub(start), libc::MADV_DONTNEED) };
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the program's own file that are mapped without write access and in memory.
    fn resident() -> u64 {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let program = std::env::current_exe().unwrap();
        let (mut ours, mut sum) = (false, 0);
        for line in maps.lines() {
            let mut words = line.split_ascii_whitespace();
            match (words.next(), words.next()) {
                (Some("Rss:"), Some(kib)) if ours => sum += kib.parse::<u64>().unwrap() * 1024,
                (Some(_), Some(rights)) if rights.len() == 4 && line.contains('-') => {
                    ours = line.ends_with(program.to_str().unwrap()) && rights.starts_with("r-");
                }
                _ => {}
            }
        }
        sum
    }

    #[test]
    fn what_is_not_needed_leaves_memory_and_what_is_needed_comes_back() {
        static CONSTANT: [u8; 4096 * 4] = [7; 4096 * 4];
        let read = || CONSTANT.iter().map(|byte| u64::from(std::hint::black_box(*byte))).sum::<u64>();
        // All of it at first.
        std::hint::black_box(std::fs::read("/proc/self/exe").unwrap());
        let (sum, before) = (read(), resident());
        give_back();
        let after = resident();
        assert!(after < before, "{before} bytes before, {after} after");
        assert_eq!(read(), sum);
    }
}
