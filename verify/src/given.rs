//! What a program does with its arguments before it does anything else.

use std::process::ExitCode;

/// The options; or the end of the program: with the help, if that is asked for, or with what is wrong.
pub(crate) fn given<O>(options: Result<Option<O>, String>, help: &str) -> Result<O, ExitCode> {
    match options {
        Ok(Some(options)) => Ok(options),
        Ok(None) => {
            print!("{help}");
            Err(ExitCode::SUCCESS)
        }
        Err(wrong) => {
            eprintln!("error: {wrong}");
            Err(ExitCode::from(2))
        }
    }
}
