//! What the outcomes of TFTP requests mean to the machines that made them, in words for `upxe status`.

use std::net::Ipv4Addr;
use std::time::Instant;

use crate::proxy::advice::Trouble;
use crate::proxy::clients::Clients;
pub use crate::proxy::clients::Fetch;
use crate::proxy::progress::NOT_FOUND;
use crate::sys::tree::Refused;
use crate::tftp::session::End;
use crate::tftp::{self, Refusal};

/// What became of somebody's request for a file.
#[derive(Debug)]
pub struct News {
    /// Whose.
    pub host: Ipv4Addr,
    /// The file, as it was looked for; nothing where it is no matter.
    pub name: Box<[u8]>,
    /// What.
    pub what: Fetch,
}

/// Why there is no file for it.
pub fn refused(why: &Refused) -> &'static Trouble {
    match why {
        Refused::NotFound | Refused::NotAFile => &NOT_FOUND,
        Refused::NotReadable => &Trouble {
            code: "unreadable",
            reason: "it asked for FILE, which not everybody may read",
            advice: "chmod o+r FILE in ROOT permits it.",
        },
        Refused::Outside(_) => &Trouble {
            code: "outside",
            reason: "it asked for FILE, which is a link that leads out of ROOT",
            advice: "list tftp_allow with the folder that it leads to permits it.",
        },
        Refused::NoRoot(_) => &Trouble {
            code: "no-root",
            reason: "it asked for FILE, and ROOT cannot be opened",
            advice: "Create ROOT, or plug in what it is on.",
        },
        Refused::Failed(_) => &Trouble {
            code: "no-resources",
            reason: "it asked for FILE, and the system could not open it",
            advice: "It passes when there are fewer transfers; the log says more.",
        },
    }
}

/// Why its request was refused before a file was looked for; `None` if that is nothing to tell of a boot.
pub fn refused_request(refusal: &Refusal<'_>) -> Option<&'static Trouble> {
    let Refusal { why: tftp::BadRequest::Name(_), .. } = refusal else { return None };
    Some(&Trouble {
        code: "bad-name",
        reason: "it asked for FILE, and no file in ROOT can be called so",
        advice: "Name the file in the boot rule or script as it lies in ROOT.",
    })
}

/// Why the file didn't come whole; `None` if it did.
pub fn ended(end: End) -> Option<&'static Trouble> {
    Some(match end {
        End::Complete | End::Unconfirmed | End::Probe | End::Superseded => return None,
        End::Aborted(_) | End::Gone => &Trouble {
            code: "stopped",
            reason: "it stopped loading FILE",
            advice: "It has no room for the file, or was switched off; its screen may tell.",
        },
        End::Unanswered | End::Silent => &Trouble {
            code: "no-answer",
            reason: "it went silent while it loaded FILE",
            advice: "It was switched off, or packets are lost on the way: try another cable or port. A firewall on the way \
                     must let UDP from any port of the router through.",
        },
        End::Truncated => &Trouble {
            code: "truncated",
            reason: "FILE became shorter while it was sent",
            advice: "Replace files by renaming new ones, not by writing into the old.",
        },
        End::ReadFailed => &Trouble {
            code: "read-failed",
            reason: "FILE could not be read to its end",
            advice: "The disk or stick that it is on may be failing, or was pulled out.",
        },
    })
}

/// Has the machines' table know of it.
pub fn tell(clients: &mut Clients, now: Instant, news: Vec<News>) {
    for News { host, name, what } in news {
        clients.transferred(now, host, &String::from_utf8_lossy(&name), what);
    }
}
