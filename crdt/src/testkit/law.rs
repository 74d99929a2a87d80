//! [`Law`]: what the kit checks, by name, and [`Broken`]: what was seen when one did not hold.

use std::fmt;

/// What must hold of a replicated type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Law {
    /// `a ⊔ b` shows what `b ⊔ a` shows.
    Commutative,
    /// `(a ⊔ b) ⊔ c` shows what `a ⊔ (b ⊔ c)` shows.
    Associative,
    /// `a ⊔ a` shows what `a` shows, and taking a state twice what taking it once does.
    Idempotent,
    /// An edit or a merge only adds: taking in the state before changes nothing.
    Inflation,
    /// A delta does what the whole state would.
    DeltaIsState,
    /// What is written to bytes is read back, shows the same, and gives the same bytes.
    RoundTrip,
    /// Equal states are equal bytes.
    EqualBytes,
    /// Replicas that know the same edits show the same, whatever the way the edits came.
    Convergence,
    /// A replica shows what the specification says of the edits it knows.
    Spec,
    /// The type's own invariant.
    Invariant,
    /// Nothing panics.
    NoPanic,
}

impl Law {
    /// All of them.
    pub const ALL: [Law; 11] = [
        Law::Commutative,
        Law::Associative,
        Law::Idempotent,
        Law::Inflation,
        Law::DeltaIsState,
        Law::RoundTrip,
        Law::EqualBytes,
        Law::Convergence,
        Law::Spec,
        Law::Invariant,
        Law::NoPanic,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Law::Commutative => "commutative",
            Law::Associative => "associative",
            Law::Idempotent => "idempotent",
            Law::Inflation => "inflation",
            Law::DeltaIsState => "delta-is-state",
            Law::RoundTrip => "round-trip",
            Law::EqualBytes => "equal-bytes",
            Law::Convergence => "convergence",
            Law::Spec => "specification",
            Law::Invariant => "invariant",
            Law::NoPanic => "no-panic",
        }
    }

    /// What it means that it is broken.
    pub fn broken(self) -> &'static str {
        match self {
            Law::Commutative => "merge depends on who merges whom",
            Law::Associative => "merge depends on the order in which three states meet",
            Law::Idempotent => "taking the same state again changes something",
            Law::Inflation => "an edit or a merge took back something that was there",
            Law::DeltaIsState => "a delta does not do what the whole state does",
            Law::RoundTrip => "what was written to bytes is not what is read",
            Law::EqualBytes => "equal states have different bytes",
            Law::Convergence => "replicas know the same edits and show different things",
            Law::Spec => "a replica does not show what the specification says",
            Law::Invariant => "the type's invariant does not hold",
            Law::NoPanic => "the type panics",
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A law that does not hold, and what was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Broken {
    pub(super) law: Law,
    /// The replicas it was seen at.
    pub(super) at: Vec<u8>,
    /// What was compared, and what each side showed.
    pub(super) sides: Vec<(String, String)>,
}

impl Broken {
    pub(super) fn new(law: Law, at: &[u8], sides: &[(&str, String)]) -> Box<Self> {
        let sides = sides.iter().map(|(label, value)| ((*label).to_owned(), value.clone())).collect();
        Box::new(Broken { law, at: at.to_vec(), sides })
    }
}

/// A replica's letter in pictures.
pub(super) fn letter(replica: u8) -> char {
    char::from(b'A' + replica % 26)
}
