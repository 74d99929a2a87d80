//! Registers: [`LwwRegister`], [`MvRegister`], [`MaxRegister`], [`MinRegister`].

mod extreme;
mod lww;
mod max;
mod min;
mod mv;

pub use lww::LwwRegister;
pub use max::MaxRegister;
pub use min::MinRegister;
pub use mv::MvRegister;
