# shellcheck shell=bash
# Rust: the version that rust-toolchain.toml names, from rustup. rustup itself is the user's to install.

check_rust() {
  local wanted
  wanted=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' "$REPO_DIR/rust-toolchain.toml")
  if ! have cargo; then
    die "cargo is missing: Tidemill is compiled with Rust $wanted" \
      "install rustup from https://rustup.rs (Debian's own rustc is too old), open a new shell, and run this again"
  fi
  if have rustup; then
    if ! rustup run "$wanted" rustc --version >/dev/null 2>&1; then
      long_step "installing Rust $wanted" "$CACHE_DIR/logs/rust.log" \
        rustup toolchain install "$wanted" --profile minimal --component rustfmt --component clippy ||
        die "rustup could not install Rust $wanted" "the log: $CACHE_DIR/logs/rust.log"
    fi
  elif ! newer_or_same "$(cargo --version | awk '{ print $2 }')" "$wanted"; then
    die "$(cargo --version) is too old: Tidemill needs Rust $wanted" \
      "install rustup from https://rustup.rs; rust-toolchain.toml then chooses the version by itself"
  fi
}

# newer_or_same VERSION WANTED
newer_or_same() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
