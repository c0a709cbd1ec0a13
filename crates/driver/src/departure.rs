//! The way of a node out of a running COE.

/// A node that is to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving<'a> {
    /// Its name in the COE, which is its host name.
    pub host_name: &'a str,
    /// Its fixed IP, where it is known: what it is known by that never told its name.
    pub address: Option<&'a str>,
    /// True once its workloads are left no more time to move away.
    pub overdue: bool,
    /// True when its machine is known to be gone for ever, and with it all that ran there.
    pub machine_gone: bool,
}

/// How far a node is on its way out of the COE. The texts may be shown to the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It is no member any more, and its server may go.
    Gone,
    /// Not yet; the text says what is waited for.
    NotYet(String),
    /// Not before its machine is gone: work may run there that cannot be stopped from afar, and that would begin a
    /// second time elsewhere. The text says why.
    AfterMachine(String),
}
