//! Bytes ⇄ values; knows no policy.
