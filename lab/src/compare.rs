//! Two records side by side: better, worse or no difference.
