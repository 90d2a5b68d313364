//! Contestants as they run: compose projects, or plain processes.
