//! The real libuci's reading of a text.

use std::ffi::{CStr, c_char};
use std::ptr;

use libuci_sys::{
    UCI_OK, uci_alloc_context, uci_context, uci_element, uci_free_context, uci_get_errorstr, uci_import, uci_list,
    uci_option, uci_option_type_UCI_TYPE_STRING, uci_package, uci_section,
};

use crate::{Section, Value};

/// What libuci makes of `text` when it loads it as `/etc/config/corpus`: its sections, or why it refuses it.
pub fn read(text: &[u8]) -> Result<Vec<Section>, String> {
    // SAFETY: the stream reads `text`, which outlives it; the context is used by this thread alone and freed last, and
    // the sections are copied out of it before.
    unsafe {
        let context = uci_alloc_context();
        assert!(!context.is_null(), "libuci has no memory");
        let stream = libc::fmemopen(text.as_ptr().cast_mut().cast(), text.len(), c"r".as_ptr());
        assert!(!stream.is_null(), "fmemopen failed");
        let mut package: *mut uci_package = ptr::null_mut();
        let verdict = uci_import(context, stream.cast(), c"corpus".as_ptr(), &raw mut package, true);
        let reading = if verdict == UCI_OK as i32 { Ok(sections(package)) } else { Err(reason(context)) };
        libc::fclose(stream);
        uci_free_context(context);
        reading
    }
}

/// libuci's own words for its last error.
///
/// # Safety
/// `context` is one that libuci made.
unsafe fn reason(context: *mut uci_context) -> String {
    let mut message: *mut c_char = ptr::null_mut();
    // SAFETY: libuci fills in a string that is ours to free, or none.
    unsafe {
        uci_get_errorstr(context, &raw mut message, ptr::null());
        if message.is_null() {
            return String::new();
        }
        let reason = String::from_utf8_lossy(&bytes(message)).into_owned();
        libc::free(message.cast());
        reason
    }
}

/// # Safety
/// `package` is one that libuci made.
unsafe fn sections(package: *const uci_package) -> Vec<Section> {
    // SAFETY: a package's list holds sections, and theirs options.
    unsafe {
        elements(&raw const (*package).sections)
            .map(|element| {
                let section = element.cast::<uci_section>();
                let mut options: Vec<_> =
                    elements(&raw const (*section).options).map(|option| read_option(option)).collect();
                options.sort();
                Section {
                    kind: text((*section).type_),
                    name: text((*section).e.name),
                    anonymous: (*section).anonymous,
                    options,
                }
            })
            .collect()
    }
}

/// # Safety
/// `element` is an option's.
unsafe fn read_option(element: *const uci_element) -> (String, Value) {
    // SAFETY: an option's type tells which of its values there is.
    unsafe {
        let option = element.cast::<uci_option>();
        let value = if (*option).type_ == uci_option_type_UCI_TYPE_STRING {
            Value::Single(bytes((*option).v.string))
        } else {
            Value::List(elements(&raw const (*option).v.list).map(|item| bytes((*item).name)).collect())
        };
        (text((*option).e.name), value)
    }
}

/// The members of libuci's circular list; an element begins with its place in the list.
///
/// # Safety
/// `head` is a list's head and outlives the iterator, and so do the members.
unsafe fn elements(head: *const uci_list) -> impl Iterator<Item = *const uci_element> {
    // SAFETY: the caller promises it.
    let mut at = unsafe { (*head).next.cast_const() };
    std::iter::from_fn(move || {
        if at == head {
            return None;
        }
        let here = at;
        // SAFETY: `at` is a member of the list, which outlives the iterator.
        at = unsafe { (*at).next };
        Some(here.cast::<uci_element>())
    })
}

/// # Safety
/// `string` ends with a NUL.
unsafe fn bytes(string: *const c_char) -> Vec<u8> {
    // SAFETY: the caller promises it.
    unsafe { CStr::from_ptr(string) }.to_bytes().to_vec()
}

/// # Safety
/// `string` ends with a NUL.
unsafe fn text(string: *const c_char) -> String {
    // SAFETY: the caller promises it.
    String::from_utf8(unsafe { bytes(string) }).expect("libuci takes ASCII only for types and names")
}
