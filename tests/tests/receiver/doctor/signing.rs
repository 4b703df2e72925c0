//! What the doctor says of the key that commits are signed with.

use std::{path::Path, process::Command};

use testkit::folder::Folder;

use super::Found;

fn done(program: &str, args: &[&str], home: &Path) -> String {
    let output = Command::new(program).args(args).env("GNUPGHOME", home).output();
    let output = output.unwrap_or_else(|why| panic!("{program}: {why}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A configuration that signs with this key.
fn signs(folder: &Folder, kind: &str, key: &Path) -> Found {
    Found::at(&configured(folder, kind, key), &[])
}

fn configured(folder: &Folder, kind: &str, key: &Path) -> std::path::PathBuf {
    let text =
        format!("data: {}\ngit: {{ sign: {{ {kind}: 'file:{}' }} }}\n", folder.join("data").display(), key.display());
    folder.write("windlass.yaml", &text).unwrap()
}

fn ssh_key(folder: &Folder, name: &str, passphrase: &str) -> std::path::PathBuf {
    let file = folder.join(name);
    let made = ["-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", file.to_str().unwrap()];
    done("ssh-keygen", &made, folder.path());
    file
}

/// A new key as it is exported, protected by this passphrase if it is none, and made with these options.
fn gpg_key(folder: &Folder, name: &str, passphrase: &str, more: &[&str], expires: &str) -> std::path::PathBuf {
    let home = folder.join(&format!("{name}.home"));
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let quiet = ["--batch", "--pinentry-mode", "loopback", "--passphrase", passphrase];
    let made = ["--quick-gen-key", "Hauler <hauler@example.org>", "ed25519", "sign", expires];
    done("gpg", &[&quiet[..], more, &made[..]].concat(), &home);
    let exported = done("gpg", &[&quiet[..], &["--export-secret-keys", "--armor"]].concat(), &home);
    done("gpgconf", &["--kill", "all"], &home);
    folder.write(name, &exported).unwrap()
}

#[test]
fn a_key_that_signs_is_told_from_one_that_cannot_and_why() {
    let folder = Folder::new("signing").unwrap();
    let plain = ssh_key(&folder, "plain", "");
    let shown = done("ssh-keygen", &["-l", "-f", &format!("{}.pub", plain.display())], folder.path());
    let fingerprint = shown.split(' ').nth(1).unwrap();
    // The public half beside it is not what it is known by.
    std::fs::remove_file(plain.with_extension("pub")).unwrap();
    let found = signs(&folder, "ssh", &plain);
    found.says("git.sign.ssh", "ok", fingerprint, "");
    found.says("ssh-keygen", "ok", "/ssh-keygen", "");

    let guarded = ssh_key(&folder, "guarded", "hunter2-hunter2");
    let found = signs(&folder, "ssh", &guarded);
    found.says("git.sign.ssh", "broken", "it has a passphrase", "without a passphrase");
    let none = folder.write("none", "no key at all\n").unwrap();
    signs(&folder, "ssh", &none).says("git.sign.ssh", "broken", "it is no private key", "that signs");
    let found = signs(&folder, "ssh", &folder.join("gone"));
    found.says("/gone", "broken", "reading the secret file", "put a secret there");
    assert!(found.about("git.sign").is_empty(), "{}", found.text);
}

#[test]
fn a_gpg_key_that_has_expired_or_a_passphrase_is_told_so() {
    let folder = Folder::new("signing").unwrap();
    let plain = gpg_key(&folder, "plain", "", &[], "never");
    signs(&folder, "gpg", &plain).says("git.sign.gpg", "ok", "it signs, and that verifies: the key ", "");
    let old = gpg_key(&folder, "old", "", &["--faked-system-time", "20200101T000000"], "1d");
    let found = signs(&folder, "gpg", &old);
    found.says("git.sign.gpg", "broken", "Unusable secret key; it expired on 2020-01-02", "not expired");
    let guarded = gpg_key(&folder, "guarded", "hunter2-hunter2", &[], "never");
    let found = signs(&folder, "gpg", &guarded);
    found.says("git.sign.gpg", "broken", "it has a passphrase", "without a passphrase");
    let public = folder.write("public", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n").unwrap();
    signs(&folder, "gpg", &public).says("git.sign.gpg", "broken", "for no secret key", "that signs");
    assert!(!found.text.contains("[GNUPG:]"), "{}", found.text);
}

#[test]
fn a_program_that_is_not_here_is_named() {
    let folder = Folder::new("signing").unwrap();
    let plain = ssh_key(&folder, "plain", "");
    std::fs::create_dir(folder.join("bin")).unwrap();
    for (kind, program) in [("ssh", "ssh-keygen"), ("gpg", "gpg")] {
        let config = configured(&folder, kind, &plain);
        let found = Found::with_path(&config, &[], folder.join("bin").as_os_str());
        found.says(
            program,
            "broken",
            &format!("`git.sign.{kind}` needs it, and it is not here"),
            "where the bumper runs",
        );
        assert!(found.about(&format!("git.sign.{kind}")).is_empty(), "{}", found.text);
    }
}
