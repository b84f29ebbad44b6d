//! Owner and access list of a file in their text form, SDDL ([MS-DTYP] 2.5.1): what accounts other than the user's own may do.
//!
//! Pure, and compiled for the tests of every system. What is not understood counts as a right of others. Entries that deny are
//! left aside, which can only make a file look more open than it is.

/// The superusers, who may change any file in any case: the system, its administrators, its installer.
const SUPERUSERS: [&str; 5] = [
    "SY",
    "S-1-5-18",
    "BA",
    "S-1-5-32-544",
    "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
];
/// Whoever owns the file, or will own what is made in the folder.
const OWNERS: [&str; 4] = ["OW", "S-1-3-4", "CO", "S-1-3-0"];

/// The letters of rights, two each, and what they mean for files.
const RIGHTS: [(&str, u32); 24] = [
    ("GA", 0x1000_0000),
    ("GR", 0x8000_0000),
    ("GW", 0x4000_0000),
    ("GX", 0x2000_0000),
    ("RC", 0x0002_0000),
    ("SD", 0x0001_0000),
    ("WD", 0x0004_0000),
    ("WO", 0x0008_0000),
    ("FA", 0x001f_01ff),
    ("FR", 0x0012_0089),
    ("FW", 0x0012_0116),
    ("FX", 0x0012_00a0),
    ("KA", 0x000f_003f),
    ("KR", 0x0002_0019),
    ("KW", 0x0002_0006),
    ("CC", 0x0001),
    ("DC", 0x0002),
    ("LC", 0x0004),
    ("SW", 0x0008),
    ("RP", 0x0010),
    ("WP", 0x0020),
    ("DT", 0x0040),
    ("LO", 0x0080),
    ("CR", 0x0100),
];

/// Reading data or the names in a folder: FILE_READ_DATA, and the generic rights that hold it.
const READ: u32 = 0x9000_0001;
/// Running a file or walking through a folder.
const EXECUTE: u32 = 0x3000_0020;
/// Changing data or names: FILE_WRITE_DATA, FILE_APPEND_DATA, FILE_DELETE_CHILD, WRITE_DAC, WRITE_OWNER, the generic ones.
const WRITE: u32 = 0x500c_0046;
/// Removing what another account made in a folder, as far as the folder's own list says it.
const REMOVE: u32 = 0x500c_0040;
/// Right to remove the file itself.
const DELETE: u32 = 0x0001_0000;

/// Owner and access list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Security {
    pub(super) owner: String,
    /// `None`: there is no list, and every account may do everything.
    entries: Option<Vec<Entry>>,
}

/// One entry that allows something.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Counts for what is made in the folder, not for the folder.
    is_for_children_alone: bool,
    /// Counts for files that are made in the folder.
    is_for_files: bool,
    rights: u32,
    who: String,
}

/// What accounts other than the user's own, and than superusers, may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Others {
    /// With the file or folder itself.
    pub(super) here: u32,
    /// With files that are made in the folder.
    pub(super) in_files: u32,
}

impl Others {
    /// They may do everything: nothing is known of the file.
    pub(super) const ALL: Self = Self { here: u32::MAX, in_files: u32::MAX };

    pub(super) fn may_read(self) -> bool {
        self.here & READ != 0
    }

    pub(super) fn may_execute(self) -> bool {
        self.here & EXECUTE != 0
    }

    pub(super) fn may_write(self) -> bool {
        self.here & WRITE != 0
    }

    /// They may add names to a folder, but neither remove nor change what others put there.
    pub(super) fn may_only_add(self) -> bool {
        self.may_write() && self.here & REMOVE == 0 && self.in_files & (WRITE | DELETE) == 0
    }
}

impl Security {
    /// Reads what the system wrote; `None`: it has another form.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mut owner, mut entries, mut rest) = (None, None, text);
        while !rest.is_empty() {
            let (letter, after) = (rest.get(..2)?, rest.get(2..)?);
            let end = section_end(after);
            let (section, next) = (after.get(..end)?, after.get(end..)?);
            match letter {
                "O:" => owner = Some(section.to_owned()),
                "D:" => entries = list(section)?,
                "G:" | "S:" => {}
                _ => return None,
            }
            rest = next;
        }
        let is_name = |owner: &String| owner.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        Some(Self { owner: owner.filter(is_name)?, entries })
    }

    /// What others than `user` may do, who is named by a SID.
    pub(super) fn others(&self, user: &str) -> Others {
        let Some(entries) = &self.entries else { return Others::ALL };
        let mut others = Others::default();
        for entry in entries.iter().filter(|entry| !is_trusted(&entry.who, user)) {
            if !entry.is_for_children_alone {
                others.here |= entry.rights;
            }
            if entry.is_for_files {
                others.in_files |= entry.rights;
            }
        }
        others
    }

    /// The list for a file of `user` in this folder, where others could write to it if it took the folder's list as it is:
    /// the same without their writing. `None`: files may take the folder's list.
    pub(super) fn list_without_writing(&self, user: &str) -> Option<String> {
        if self.others(user).in_files & (WRITE | DELETE) == 0 {
            return None;
        }
        let mut list = list_for(user, "");
        for entry in self.entries.iter().flatten().filter(|entry| entry.is_for_files) {
            if entry.rights & READ != 0 && !is_trusted(&entry.who, user) {
                // FILE_GENERIC_READ, and FILE_GENERIC_EXECUTE if it was among them.
                let right = if entry.rights & EXECUTE != 0 { "FRFX" } else { "FR" };
                list += &format!("(A;;{right};;;{})", entry.who);
            }
        }
        Some(list)
    }
}

/// The list that lets `user` and superusers do everything, and no other account anything. `flags`: for what is made in a folder.
pub(super) fn list_for(user: &str, flags: &str) -> String {
    format!("D:P(A;{flags};FA;;;{user})(A;{flags};FA;;;SY)(A;{flags};FA;;;BA)")
}

/// True if this is the account `user`, which SDDL names by two letters if it is the first or the guest of its machine.
pub(super) fn is_same_account(who: &str, user: &str) -> bool {
    match who {
        "LA" => user.ends_with("-500"),
        "LG" => user.ends_with("-501"),
        who => who == user,
    }
}

/// True if this is an account that may change any file in any case.
pub(super) fn is_superuser(who: &str) -> bool {
    SUPERUSERS.contains(&who)
}

fn is_trusted(who: &str, user: &str) -> bool {
    is_same_account(who, user) || is_superuser(who) || OWNERS.contains(&who)
}

/// Where the next section begins: at a letter of one and a colon, outside of entries.
fn section_end(text: &str) -> usize {
    let (mut depth, bytes) = (0_usize, text.as_bytes());
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'O' | b'G' | b'D' | b'S' if depth == 0 && bytes.get(at + 1) == Some(&b':') => return at,
            _ => {}
        }
    }
    text.len()
}

/// The entries that allow something. The outer `None`: it has another form; the inner: there is no list.
fn list(section: &str) -> Option<Option<Vec<Entry>>> {
    if section.contains("NO_ACCESS_CONTROL") {
        return Some(None);
    }
    let mut entries = Vec::new();
    let mut rest = section.find('(').and_then(|at| section.get(at..)).unwrap_or_default();
    while !rest.is_empty() {
        let end = entry_end(rest)?;
        let fields: Vec<&str> = rest.get(1..end)?.splitn(7, ';').collect();
        let [kind, flags, rights, _, _, who, ..] = fields[..] else { return None };
        if kind.contains('A') {
            let has = |flag: &str| flags.as_bytes().chunks(2).any(|pair| pair == flag.as_bytes());
            let (who, rights) = (who.to_owned(), rights_of(rights));
            entries.push(Entry { is_for_children_alone: has("IO"), is_for_files: has("OI"), rights, who });
        }
        rest = rest.get(end + 1..)?;
    }
    Some(Some(entries))
}

/// Where the entry that begins here ends; a condition in it has parentheses of its own.
fn entry_end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 1 => return Some(at),
            b')' => depth = depth.checked_sub(1)?,
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// A number, or pairs of letters; whatever is neither means every right.
fn rights_of(text: &str) -> u32 {
    if let Some(digits) = text.strip_prefix("0x") {
        return u32::from_str_radix(digits, 16).unwrap_or(u32::MAX);
    }
    let pairs = text.as_bytes().chunks(2);
    let right = |pair: &[u8]| RIGHTS.iter().find(|(letters, _)| letters.as_bytes() == pair);
    pairs.fold(0, |all, pair| all | right(pair).map_or(u32::MAX, |&(_, bits)| bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "S-1-5-21-1-2-3-1001";

    fn others(list: &str) -> Others {
        Security::parse(&format!("O:{USER}{list}")).unwrap().others(USER)
    }

    #[test]
    fn owner_and_list_of_a_profile_are_for_its_user_alone() {
        let text = format!(
            "O:{USER}G:S-1-5-21-1-2-3-513D:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIID;FA;;;{USER})"
        );
        let security = Security::parse(&text).unwrap();
        assert_eq!(security.owner, USER);
        assert_eq!(security.others(USER), Others::default());
        assert_eq!(security.list_without_writing(USER), None);
        let first = Security::parse("O:LAG:LAD:P(A;;FA;;;LA)").unwrap();
        assert_eq!(first.others("S-1-5-21-1-2-3-500"), Others::default());
        assert!(first.others(USER).may_write());
    }

    #[test]
    fn a_folder_below_the_root_lets_others_write_to_files() {
        // As Windows makes `C:\models`.
        let list = "D:AI(A;OICIID;FA;;;BA)(A;OICIID;FA;;;SY)(A;OICIID;0x1200a9;;;BU)(A;ID;0x1301bf;;;AU)\
                    (A;OICIIOID;SDGXGWGR;;;AU)";
        let there = others(list);
        assert!(there.may_write() && there.may_read() && !there.may_only_add());
        let folder = Security::parse(&format!("O:{USER}{list}")).unwrap();
        let made = folder.list_without_writing(USER).unwrap();
        assert_eq!(made, format!("{}(A;;FRFX;;;BU)(A;;FRFX;;;AU)", list_for(USER, "")));
        let file = others(&made);
        assert!(file.may_read() && file.may_execute() && !file.may_write());
    }

    #[test]
    fn a_folder_to_which_others_only_add_is_told_from_one_of_theirs() {
        let adding = others("D:(A;;0x100006;;;BU)(A;OICI;0x1200a9;;;BU)");
        assert!(adding.may_write() && adding.may_only_add());
        for list in ["D:(A;;0x100046;;;BU)", "D:(A;;0x100006;;;BU)(A;OIIO;SD;;;BU)", "D:(A;OICI;FA;;;WD)"] {
            assert!(!others(list).may_only_add(), "{list}");
        }
    }

    #[test]
    fn no_list_or_an_unknown_right_lets_others_do_all() {
        for list in ["", "D:NO_ACCESS_CONTROL", "D:(A;;ZZ;;;WD)", "D:(A;;0xzz;;;WD)", "D:(A;;FA;;;WD)"] {
            assert!(others(list).may_write() && others(list).may_read(), "{list}");
        }
        for list in ["D:", "D:P", "D:(D;;FA;;;WD)", "D:(A;OICIIO;FA;;;CO)", "D:(A;;FA;;;OW)"] {
            assert_eq!(others(list), Others::default(), "{list}");
        }
        let condition = "D:(XA;;FW;;;WD;(@User.Title==\"(a)\"))(A;;FR;;;WD)S:(AU;SA;FA;;;WD)";
        assert!(others(condition).may_write() && others(condition).may_read());
    }

    #[test]
    fn a_text_of_another_form_is_not_believed() {
        for text in [
            "",
            "D:(A;;FA;;;WD)",
            "O:BAX:1",
            "O:BAD:(A;;FA;;;WD",
            "O:BAD:(A;FA)",
            "O:BAD:(A;;FA;;;WD)x",
            "é:",
        ] {
            assert_eq!(Security::parse(text), None, "{text}");
        }
    }
}
