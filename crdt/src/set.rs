//! Sets: [`AwSet`], [`RwSet`], [`GSet`], [`TwoPhaseSet`], [`LwwSet`].
//!
//! | I want | use |
//! |---|---|
//! | what people expect: what is added stays unless a remover had seen it | [`AwSet`] |
//! | that removing wins: access rights, moderation | [`RwSet`] |
//! | that the last to act wins, by the clock | [`LwwSet`] |
//! | that nothing is ever removed | [`GSet`] |
//! | that what was removed never comes back: ids, tokens | [`TwoPhaseSet`] |

mod aw;
mod grow;
mod lww;
mod rw;
mod two_phase;

pub use aw::AwSet;
pub use grow::GSet;
pub use lww::LwwSet;
pub use rw::RwSet;
pub use two_phase::TwoPhaseSet;
