//! The guest's page is part of the program: cargo has to look at its files.

fn main() {
    println!("cargo::rerun-if-changed=../assets/web");
}
