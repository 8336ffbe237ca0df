//! [`Store`] in one SQLite file.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use roomrtc_protocol::signaling::UserName;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Account, Store, StoreError, TokenHash};

/// The present form.
const KNOWN: u32 = 2;

/// One step each from an empty database to the present form; never changed once released, only added to.
const MIGRATIONS: [&str; KNOWN as usize] = [
    "
    CREATE TABLE account (
        name          TEXT PRIMARY KEY,   -- in lower case
        shown         TEXT NOT NULL,      -- as typed at registration
        password_file BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE token (
        hash    BLOB PRIMARY KEY,         -- SHA-256
        name    TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
        expires INTEGER NOT NULL          -- Unix seconds
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX token_of_account ON token (name);
    CREATE TABLE server_keys (
        id   INTEGER PRIMARY KEY CHECK (id = 1),
        keys BLOB NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE invite (
        hash    BLOB PRIMARY KEY,         -- SHA-256
        inviter TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
        expires INTEGER NOT NULL          -- Unix seconds
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX invite_of_account ON invite (inviter);
    CREATE TABLE guest (
        hash    BLOB PRIMARY KEY,         -- SHA-256 of its token
        name    TEXT NOT NULL UNIQUE,     -- in lower case
        shown   TEXT NOT NULL,
        host    TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
        expires INTEGER NOT NULL          -- Unix seconds
    ) STRICT, WITHOUT ROWID;
",
];

/// How long another process (a backup) may keep the database to itself.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements that are kept: more than there are.
const STATEMENTS: usize = 32;

/// The accounts in a file.
pub struct SqliteStore(Connection);

impl SqliteStore {
    /// Opens the file, makes it if it is not there, and brings it to the present form.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        keep_private(path)?;
        Self::prepare(Connection::open(path)?)
    }

    /// Accounts that end with the program.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(mut connection: Connection) -> Result<Self, StoreError> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // With a write-ahead log a power cut may lose the last moment, never the whole.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        migrate(&mut connection)?;
        Ok(SqliteStore(connection))
    }
}

/// Makes the file before SQLite does, so that only the server's own user reads it, whatever the folder's mode is.
/// SQLite gives its other files the same mode.
fn keep_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let steps = MIGRATIONS
        .get(found as usize..)
        .ok_or(StoreError::TooNew { found, known: KNOWN })?;
    let transaction = connection.transaction()?;
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", KNOWN)?;
    transaction.commit()?;
    Ok(())
}

fn from_unix_seconds(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())
}

/// SQLite's integers have a sign; a time before 1970 counts as 1970.
fn unix_seconds(time: SystemTime) -> i64 {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

impl Store for SqliteStore {
    fn server_keys(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT keys FROM server_keys")?;
        Ok(statement.query_row([], |row| row.get(0)).optional()?)
    }

    fn put_server_keys(&mut self, keys: &[u8]) -> Result<(), StoreError> {
        self.0.execute(
            "INSERT OR REPLACE INTO server_keys (id, keys) VALUES (1, ?1)",
            [keys],
        )?;
        Ok(())
    }

    fn users(&mut self) -> Result<Vec<UserName>, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT shown FROM account ORDER BY name")?;
        let mut rows = statement.query([])?;
        let mut users = Vec::new();
        while let Some(row) = rows.next()? {
            users.push(UserName::parse(
                row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?,
            )?);
        }
        Ok(users)
    }

    fn account(&mut self, user: &UserName) -> Result<Option<Account>, StoreError> {
        let mut statement = self
            .0
            .prepare_cached("SELECT shown, password_file FROM account WHERE name = ?1")?;
        let row = statement.query_row([user.folded()], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)));
        match row.optional()? {
            Some((shown, password_file)) => Ok(Some(Account {
                user: UserName::parse(&shown)?,
                password_file,
            })),
            None => Ok(None),
        }
    }

    fn add_account(&mut self, account: &Account) -> Result<bool, StoreError> {
        let mut statement = self.0.prepare_cached(
            "INSERT INTO account (name, shown, password_file) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?;
        let user = &account.user;
        Ok(statement.execute(params![user.folded(), user.as_str(), account.password_file])? == 1)
    }

    fn add_token(
        &mut self,
        token: &TokenHash,
        user: &UserName,
        expires: SystemTime,
    ) -> Result<(), StoreError> {
        self.0
            .prepare_cached("INSERT INTO token (hash, name, expires) VALUES (?1, ?2, ?3)")?
            .execute(params![token, user.folded(), unix_seconds(expires)])?;
        Ok(())
    }

    fn use_token(
        &mut self,
        token: &TokenHash,
        now: SystemTime,
        expires: SystemTime,
    ) -> Result<Option<UserName>, StoreError> {
        let mut statement = self.0.prepare_cached(
            "UPDATE token SET expires = ?3 WHERE hash = ?1 AND expires > ?2
             RETURNING (SELECT shown FROM account WHERE account.name = token.name)",
        )?;
        let shown: Option<String> = statement
            .query_row(params![token, unix_seconds(now), unix_seconds(expires)], |row| {
                row.get(0)
            })
            .optional()?;
        Ok(shown.as_deref().map(UserName::parse).transpose()?)
    }

    fn remove_token(&mut self, token: &TokenHash) -> Result<(), StoreError> {
        self.0
            .prepare_cached("DELETE FROM token WHERE hash = ?1")?
            .execute([token])?;
        self.0
            .prepare_cached("DELETE FROM guest WHERE hash = ?1")?
            .execute([token])?;
        Ok(())
    }

    fn keep_only_token(&mut self, token: &TokenHash) -> Result<(), StoreError> {
        self.0
            .prepare_cached(
                "DELETE FROM token WHERE hash <> ?1 AND name = (SELECT name FROM token WHERE hash = ?1)",
            )?
            .execute([token])?;
        Ok(())
    }

    fn add_invite(
        &mut self,
        invite: &TokenHash,
        inviter: &UserName,
        expires: SystemTime,
    ) -> Result<(), StoreError> {
        self.0
            .prepare_cached("INSERT INTO invite (hash, inviter, expires) VALUES (?1, ?2, ?3)")?
            .execute(params![invite, inviter.folded(), unix_seconds(expires)])?;
        Ok(())
    }

    fn open_invites(
        &mut self,
        inviter: &UserName,
        now: SystemTime,
    ) -> Result<Vec<(TokenHash, SystemTime)>, StoreError> {
        let mut statement = self.0.prepare_cached(
            "SELECT hash, expires FROM invite WHERE inviter = ?1 AND expires > ?2 ORDER BY expires, hash",
        )?;
        let rows = statement.query_map(params![inviter.folded(), unix_seconds(now)], |row| {
            Ok((row.get(0)?, from_unix_seconds(row.get(1)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn invite(
        &mut self,
        invite: &TokenHash,
        now: SystemTime,
    ) -> Result<Option<(UserName, SystemTime)>, StoreError> {
        let mut statement = self.0.prepare_cached(
            "SELECT shown, expires FROM invite JOIN account ON account.name = inviter
             WHERE hash = ?1 AND expires > ?2",
        )?;
        let row = statement.query_row(params![invite, unix_seconds(now)], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        });
        let Some((inviter, expires)) = row.optional()? else {
            return Ok(None);
        };
        Ok(Some((UserName::parse(&inviter)?, from_unix_seconds(expires))))
    }

    fn remove_invite(&mut self, invite: &TokenHash) -> Result<bool, StoreError> {
        let mut statement = self.0.prepare_cached("DELETE FROM invite WHERE hash = ?1")?;
        Ok(statement.execute([invite])? == 1)
    }

    fn add_guest(
        &mut self,
        token: &TokenHash,
        guest: &UserName,
        host: &UserName,
        expires: SystemTime,
    ) -> Result<bool, StoreError> {
        let mut statement = self.0.prepare_cached(
            "INSERT INTO guest (hash, name, shown, host, expires) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )?;
        let row = params![
            token,
            guest.folded(),
            guest.as_str(),
            host.folded(),
            unix_seconds(expires)
        ];
        Ok(statement.execute(row)? == 1)
    }

    fn guest(
        &mut self,
        token: &TokenHash,
        now: SystemTime,
    ) -> Result<Option<(UserName, UserName)>, StoreError> {
        let mut statement = self.0.prepare_cached(
            "SELECT guest.shown, account.shown FROM guest JOIN account ON account.name = host
             WHERE hash = ?1 AND expires > ?2",
        )?;
        let row = statement.query_row(params![token, unix_seconds(now)], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        });
        let Some((guest, host)) = row.optional()? else {
            return Ok(None);
        };
        Ok(Some((UserName::parse_any(&guest)?, UserName::parse(&host)?)))
    }

    fn remove_expired(&mut self, now: SystemTime) -> Result<(), StoreError> {
        for table in ["token", "invite", "guest"] {
            self.0
                .prepare_cached(&format!("DELETE FROM {table} WHERE expires <= ?1"))?
                .execute([unix_seconds(now)])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW: SystemTime = UNIX_EPOCH;
    const LATER: Duration = Duration::from_secs(60);

    fn ana() -> Account {
        Account {
            user: UserName::parse("Ana").unwrap(),
            password_file: vec![1, 2, 3],
        }
    }

    #[test]
    fn an_account_is_found_however_its_name_is_typed_and_made_once() {
        let mut store = SqliteStore::in_memory().unwrap();
        assert!(store.add_account(&ana()).unwrap());
        let shouted = UserName::parse("ANA").unwrap();
        assert!(
            !store
                .add_account(&Account {
                    user: shouted.clone(),
                    password_file: vec![]
                })
                .unwrap()
        );
        let found = store.account(&shouted).unwrap().unwrap();
        assert_eq!((found.user.as_str(), found.password_file), ("Ana", vec![1, 2, 3]));
        assert_eq!(store.users().unwrap(), [shouted]);
        assert!(store.account(&UserName::parse("ben").unwrap()).unwrap().is_none());
    }

    #[test]
    fn a_token_is_good_until_it_expires_and_each_use_prolongs_it() {
        let mut store = SqliteStore::in_memory().unwrap();
        store.add_account(&ana()).unwrap();
        store.add_token(&[1; 32], &ana().user, NOW + LATER).unwrap();
        let soon = NOW + LATER / 2;
        assert_eq!(
            store
                .use_token(&[1; 32], soon, soon + LATER)
                .unwrap()
                .unwrap()
                .as_str(),
            "Ana"
        );
        assert!(
            store
                .use_token(&[1; 32], NOW + LATER, NOW + LATER * 2)
                .unwrap()
                .is_some()
        );
        assert!(
            store
                .use_token(&[1; 32], NOW + LATER * 2, NOW + LATER * 3)
                .unwrap()
                .is_none()
        );
        assert!(store.use_token(&[2; 32], NOW, NOW + LATER).unwrap().is_none());
        store.remove_expired(NOW + LATER * 2).unwrap();
        assert!(store.use_token(&[1; 32], NOW, NOW + LATER).unwrap().is_none());
    }

    #[test]
    fn one_token_is_kept_and_that_can_be_revoked() {
        let mut store = SqliteStore::in_memory().unwrap();
        store.add_account(&ana()).unwrap();
        for token in [[1; 32], [2; 32]] {
            store.add_token(&token, &ana().user, NOW + LATER).unwrap();
        }
        store.keep_only_token(&[2; 32]).unwrap();
        assert!(store.use_token(&[1; 32], NOW, NOW + LATER).unwrap().is_none());
        store.remove_token(&[2; 32]).unwrap();
        assert!(store.use_token(&[2; 32], NOW, NOW + LATER).unwrap().is_none());
    }

    #[test]
    fn an_invite_is_good_until_it_is_used_or_expires() {
        let mut store = SqliteStore::in_memory().unwrap();
        store.add_account(&ana()).unwrap();
        store.add_invite(&[1; 32], &ana().user, NOW + LATER).unwrap();
        store.add_invite(&[2; 32], &ana().user, NOW + LATER / 2).unwrap();
        let open = store.open_invites(&ana().user, NOW).unwrap();
        assert_eq!(open, [([2; 32], NOW + LATER / 2), ([1; 32], NOW + LATER)]);
        assert_eq!(store.open_invites(&ana().user, NOW + LATER / 2).unwrap().len(), 1);
        let (inviter, expires) = store.invite(&[1; 32], NOW).unwrap().unwrap();
        assert_eq!((inviter.as_str(), expires), ("Ana", NOW + LATER));
        assert!(store.invite(&[1; 32], NOW + LATER).unwrap().is_none());
        assert!(store.remove_invite(&[1; 32]).unwrap());
        assert!(!store.remove_invite(&[1; 32]).unwrap());
        assert!(store.remove_invite(&[2; 32]).unwrap());
        assert!(store.open_invites(&ana().user, NOW).unwrap().is_empty());
    }

    #[test]
    fn a_guest_comes_back_by_its_token_and_its_name_is_its_own_meanwhile() {
        let mut store = SqliteStore::in_memory().unwrap();
        store.add_account(&ana()).unwrap();
        let gus = UserName::guest("Gus", 1).unwrap();
        let add =
            |store: &mut SqliteStore, token| store.add_guest(&[token; 32], &gus, &ana().user, NOW + LATER);
        assert!(add(&mut store, 1).unwrap() && !add(&mut store, 2).unwrap());
        let (guest, host) = store.guest(&[1; 32], NOW).unwrap().unwrap();
        assert_eq!((guest.as_str(), host.as_str()), ("Gus (guest)", "Ana"));
        store.remove_token(&[1; 32]).unwrap();
        assert!(store.guest(&[1; 32], NOW).unwrap().is_none());
        assert!(add(&mut store, 2).unwrap());
    }

    #[test]
    fn a_database_outlives_the_program_and_a_newer_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.sqlite");
        let mut store = SqliteStore::open(&path).unwrap();
        store.put_server_keys(b"keys").unwrap();
        store.add_account(&ana()).unwrap();
        drop(store);
        let mut store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.server_keys().unwrap().unwrap(), b"keys");
        assert!(store.account(&ana().user).unwrap().is_some());
        store.0.pragma_update(None, "user_version", KNOWN + 1).unwrap();
        drop(store);
        assert!(matches!(SqliteStore::open(&path), Err(StoreError::TooNew { .. })));
    }
}
