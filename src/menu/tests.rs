//! Menus as each loader reads them, and values that try to be more than a value.
