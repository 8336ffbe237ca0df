//! What the actors do together, told as stories. One program, so that it is linked once.

mod media;
