//! Forgetting: what only those would need who are behind a version that everybody has.

use crate::delta::Replicated;
use crate::version::VersionVector;

use super::Doc;

impl Doc {
    /// Drops what only one behind `stable` would still need: which event ended what, the operations of texts and
    /// lists, deleted characters, what events build on. What the document shows is the same, and so is what comes
    /// of merging with anyone who has seen what is [forgotten](Self::forgotten), whether they have forgotten it
    /// or not. Deleted characters keep their places (of a run, some bytes), so that cursors and undo find them.
    ///
    /// `stable` must be **causally stable**: every replica that may still write has seen it, and all that they
    /// wrote before they had is here. [`Leases::stable`](crate::lease::Leases::stable) works that out from what
    /// replicas report, and says whom not to wait for any longer; [`MatrixClock::stable`](crate::matrix::MatrixClock::stable)
    /// does where the members never change. Of `stable` counts what is here.
    ///
    /// One who was not waited for and comes back from before is refused what he wrote with
    /// [`ApplyError::Late`](crate::ApplyError::Late), and gets the whole document instead of a difference; if he
    /// has edits that nobody has seen, [`rescue`](Self::rescue) makes them anew. The history that
    /// [`keep_history`](Self::keep_history) keeps is not forgotten.
    ///
    /// Costs what is remembered, once.
    ///
    /// ```
    /// # use crdt::matrix::MatrixClock;
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// let [a, b] = [1, 2].map(ReplicaId::from_u128);
    /// let (mut alice, mut bob) = (Doc::new(a), Doc::new(b));
    /// alice.transact(0, |tx| tx.text("note").insert(0, "a very long draft"));
    /// alice.transact(0, |tx| tx.text("note").delete(2..12));
    /// bob.apply(&alice.delta_since(bob.version()))?;
    ///
    /// let mut seen = MatrixClock::new([a, b]);
    /// seen.saw(a, alice.version());
    /// seen.saw(b, bob.version());
    /// alice.forget(&seen.stable(alice.version()));
    /// assert_eq!(alice.forgotten(), bob.version());
    ///
    /// bob.transact(0, |tx| tx.text("note").insert(2, "short ")); // he has not forgotten
    /// alice.apply(&bob.delta_since(alice.version()))?;
    /// assert_eq!(alice.text("note").unwrap().to_string(), "a short draft");
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn forget(&mut self, stable: &VersionVector) {
        if self.forgotten().covers(&stable.meet(self.version())) {
            return;
        }
        let cut = self.graph.forget(stable);
        if cut.is_empty() {
            return;
        }
        self.removals.forget(&cut);
        self.texts.each(|text| text.forget(&cut));
    }

    /// Which events this document has forgotten: who has not seen them all cannot be merged with it.
    pub fn forgotten(&self) -> &VersionVector {
        self.graph.forgotten()
    }
}
