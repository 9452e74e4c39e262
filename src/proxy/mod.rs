//! Decides what a booting client is told, and says why.
