//! Two clients, of which one stops in the one window that matters.
