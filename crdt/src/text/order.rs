//! Where an insertion goes among those that were made at the same place concurrently: FugueMax.
//!
//! Each character has the left and right neighbours that its author saw. They make a tree (Weidner,
//! Kleppmann, "The Art of the Fugue", section 4): a character whose right neighbour has the same left
//! neighbour as itself is a left child of its right neighbour, and otherwise a right child of its left one.

use std::cmp::Ordering;

use super::chunk::Id;
use super::core::Core;
use super::sequence::Place;

impl Core {
    /// Where a run goes whose first character has these neighbours, left before right; `here` is the place
    /// behind the left one.
    pub(super) fn destination(&self, here: Place, first: Id, left: Option<Id>, right: Option<Id>) -> Place {
        match right {
            Some(right) if self.is_right_of(right, left) => self.among_left_children(first, left, right),
            _ => self.among_right_children(here, first, left, right),
        }
    }

    /// Left children of one character stand before it by the order of their dots, each with what hangs on
    /// it. Goes from the character to the left: so an author who types backwards, whose every character is
    /// a left child of the one before, costs one step for each.
    fn among_left_children(&self, first: Id, left: Option<Id>, right: Id) -> Place {
        let Some(mut here) = self.sequence.find(right) else { return self.sequence.behind(left) };
        let mut destination = here;
        while let Some((start, other)) = self.sequence.previous(here, left) {
            here = start;
            let (its_left, its_right) = self.log.origins(other);
            if its_left != left {
                continue;
            }
            match its_right.and_then(|its| self.sequence.order(its, right)) {
                // A left child of what hangs on the child that was passed last.
                Some(Ordering::Less) => {}
                Some(Ordering::Equal) if self.dot(first) < self.dot(other) => {}
                _ => break,
            }
            destination = here;
        }
        destination
    }

    /// Right children of one character stand behind it by the reverse order of their right neighbours, then
    /// by dot, each with what hangs on it.
    fn among_right_children(&self, here: Place, first: Id, left: Option<Id>, right: Option<Id>) -> Place {
        let (mut here, mut destination, mut passing) = (here, here, false);
        loop {
            here = self.sequence.settle(here);
            let Some(other) = self.sequence.id(here).filter(|other| Some(*other) != right) else { break };
            let (its_left, its_right) = self.log.origins(other);
            match self.left_order(its_left, left) {
                Ordering::Less => break,
                Ordering::Greater => {}
                Ordering::Equal => match self.right_order(its_right, right) {
                    Ordering::Equal if self.dot(first) < self.dot(other) => break,
                    order => passing = order.is_lt(),
                },
            }
            here = self.sequence.behind_run(here, right);
            if !passing {
                destination = here;
            }
        }
        destination
    }

    /// Which of two left neighbours stands first; none is the start of the text.
    fn left_order(&self, a: Option<Id>, b: Option<Id>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) => self.sequence.order(a, b).unwrap_or(Ordering::Equal),
            (a, b) => a.is_some().cmp(&b.is_some()),
        }
    }

    /// Which of two right neighbours stands first; none is the end of the text.
    fn right_order(&self, a: Option<Id>, b: Option<Id>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) => self.sequence.order(a, b).unwrap_or(Ordering::Equal),
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
    }
}
