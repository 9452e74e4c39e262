//! What clients call files: any string in, a relative path that stays beneath the root out.

use std::fmt;

/// The longest path served. DHCP's boot file field holds 127 bytes; a menu's kernel may lie deeper.
const MAX_LEN: usize = 255;

/// A relative path without empty, `.` and `..` components and without control bytes.
///
/// Links may still lead anywhere: that is for whoever opens it to watch over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafePath {
    bytes: heapless::Vec<u8, MAX_LEN>,
}

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// Names nothing, or a directory.
    Empty,
    /// Longer than 255 bytes.
    TooLong,
    /// A `..` component.
    Upwards,
    /// A byte below space, or DEL.
    ControlByte,
}

impl SafePath {
    /// Makes sense of `name` as a client or a configuration spells it.
    ///
    /// Windows loaders write `\` for `/`. Slashes in front and doubled ones mean nothing, unless the name begins with
    /// `root`, the absolute path of the folder that is served, as some clients were told to write it.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn new(name: &[u8], root: &[u8]) -> Result<Self, PathError> {
        if name.iter().any(u8::is_ascii_control) {
            return Err(PathError::ControlByte);
        }
        let mut path = Self { bytes: heapless::Vec::new() };
        for component in components(name) {
            match component {
                b".." => return Err(PathError::Upwards),
                component => path.join(component)?,
            }
        }
        if matches!(name.first(), Some(b'/' | b'\\'))
            && let Some(beneath) = path.beneath(root)
        {
            path = Self { bytes: beneath.try_into().map_err(|_| PathError::TooLong)? };
        }
        let ends_in_slash = matches!(name.last(), Some(b'/' | b'\\'));
        if path.bytes.is_empty() || ends_in_slash { Err(PathError::Empty) } else { Ok(path) }
    }

    /// The path's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The name that serves as well when this one is missing: PXELINUX's `pxelinux.0` is asked for as `pxelinux` by
    /// clients that were told to append the boot layer's number, and the other way round.
    pub fn stand_in(&self) -> Option<Self> {
        let mut bytes = heapless::Vec::new();
        let stem = self.bytes.strip_suffix(b".0");
        // `..0` without its end would name a folder, `...0` the one above.
        let is_name = |stem: &&[u8]| !matches!(stem.rsplit(|byte| *byte == b'/').next(), Some(b"" | b"." | b".."));
        match stem.filter(is_name) {
            Some(stem) => bytes.extend_from_slice(stem).ok()?,
            _ => {
                bytes.extend_from_slice(&self.bytes).ok()?;
                bytes.extend_from_slice(b".0").ok()?;
            }
        }
        Some(Self { bytes })
    }

    fn join(&mut self, component: &[u8]) -> Result<(), PathError> {
        if !self.bytes.is_empty() {
            self.bytes.push(b'/').map_err(|_| PathError::TooLong)?;
        }
        self.bytes.extend_from_slice(component).map_err(|_| PathError::TooLong)
    }

    /// What follows `root`, if the path begins with it.
    fn beneath(&self, root: &[u8]) -> Option<&[u8]> {
        components(root).try_fold(self.bytes.as_slice(), |rest, component| {
            let rest = rest.strip_prefix(component)?;
            if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
        })
    }
}

impl fmt::Display for SafePath {
    /// For the log: quotes and bytes beyond ASCII are escaped.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.bytes.escape_ascii())
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "it names no file",
            Self::TooLong => "its name is too long",
            Self::Upwards => "its name leads upwards",
            Self::ControlByte => "its name contains a control byte",
        })
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| matches!(byte, b'/' | b'\\')).filter(|component| !matches!(*component, b"" | b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> Result<String, PathError> {
        SafePath::new(name.as_bytes(), b"/srv/tftp").map(|path| path.to_string())
    }

    #[test]
    fn names_are_made_sense_of() {
        for (name, wanted) in [
            ("ipxe.efi", "ipxe.efi"),
            ("/ipxe.efi", "ipxe.efi"),
            ("//ipxe.efi", "ipxe.efi"),
            ("./ipxe.efi", "ipxe.efi"),
            ("a//b/./c", "a/b/c"),
            ("\\Boot\\x64\\wdsnbp.com", "Boot/x64/wdsnbp.com"),
            ("Boot\\/BCD", "Boot/BCD"),
            ("..efi", "..efi"),
            ("a..b/c...", "a..b/c..."),
            ("with space", "with space"),
            // The root named in full.
            ("/srv/tftp/ipxe.efi", "ipxe.efi"),
            ("//srv//tftp/./sub/ipxe.efi", "sub/ipxe.efi"),
            ("\\srv\\tftp\\ipxe.efi", "ipxe.efi"),
            // Not the root: a folder of that name beneath it.
            ("srv/tftp/ipxe.efi", "srv/tftp/ipxe.efi"),
            ("/srv/tftpboot/ipxe.efi", "srv/tftpboot/ipxe.efi"),
            ("/srv/other", "srv/other"),
            ("/srv", "srv"),
        ] {
            assert_eq!(path(name).as_deref(), Ok(wanted), "{name}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for (name, error) in [
            ("", PathError::Empty),
            ("/", PathError::Empty),
            (".", PathError::Empty),
            ("dir/", PathError::Empty),
            ("dir\\", PathError::Empty),
            ("/srv/tftp", PathError::Empty),
            ("/srv/tftp/.", PathError::Empty),
            ("..", PathError::Upwards),
            ("../etc/passwd", PathError::Upwards),
            ("/../etc/passwd", PathError::Upwards),
            ("a/../../etc/passwd", PathError::Upwards),
            ("a/../b", PathError::Upwards),
            ("..\\etc\\passwd", PathError::Upwards),
            ("a\\..\\b", PathError::Upwards),
            ("/srv/tftp/../secret", PathError::Upwards),
            ("a\0b", PathError::ControlByte),
            ("a\nb", PathError::ControlByte),
            ("a\x7fb", PathError::ControlByte),
            ("a\x1b[2Jb", PathError::ControlByte),
        ] {
            assert_eq!(path(name), Err(error), "{}", name.escape_debug());
        }
    }

    #[test]
    fn length_is_bounded() {
        assert!(path(&"x".repeat(255)).is_ok());
        assert_eq!(path(&"x".repeat(256)), Err(PathError::TooLong));
        assert_eq!(path(&"x/".repeat(200)), Err(PathError::TooLong));
        assert!(path(&format!("{}x", "/".repeat(1000))).is_ok());
    }

    #[test]
    fn bytes_beyond_ascii_pass_and_are_escaped_in_the_log() {
        let path = SafePath::new(b"b\xfcro.efi", b"").unwrap();
        assert_eq!(path.as_bytes(), b"b\xfcro.efi");
        assert_eq!(path.to_string(), "b\\xfcro.efi");
    }

    #[test]
    fn stand_ins() {
        for (name, wanted) in [
            ("pxelinux.0", Some("pxelinux")),
            ("pxelinux", Some("pxelinux.0")),
            ("bios/undionly.kpxe", Some("bios/undionly.kpxe.0")),
            ("sub/.0", Some("sub/.0.0")),
            (".0", Some(".0.0")),
            ("..0", Some("..0.0")),
            ("sub/...0", Some("sub/...0.0")),
            ("....0", Some("...")),
            (&"x".repeat(254), None),
        ] {
            let stand_in = SafePath::new(name.as_bytes(), b"").unwrap().stand_in();
            assert_eq!(stand_in.map(|path| path.to_string()).as_deref(), wanted, "{name}");
        }
    }
}
