"""The full-text index over the keyword documents, in what each database offers.

Should a later migration alter `search_keyworddocument` on SQLite, Django makes the table anew and its triggers
are lost: run `forwards` again at its end.
"""

from django.db import migrations

SQLITE = [
    # External content: the words are stored once, in the documents; Indic vowel signs (Mn, Mc) belong to words.
    """
    CREATE VIRTUAL TABLE search_keyword_fts USING fts5(
        names, captions, auto_tags, description,
        content='search_keyworddocument', content_rowid='asset_id', prefix='2 3',
        tokenize="porter unicode61 remove_diacritics 0 categories 'L* N* Co Mn Mc'"
    )
    """,
    """
    CREATE TRIGGER search_keyword_fts_insert AFTER INSERT ON search_keyworddocument BEGIN
        INSERT INTO search_keyword_fts (rowid, names, captions, auto_tags, description)
        VALUES (new.asset_id, new.names, new.captions, new.auto_tags, new.description);
    END
    """,
    """
    CREATE TRIGGER search_keyword_fts_delete AFTER DELETE ON search_keyworddocument BEGIN
        INSERT INTO search_keyword_fts (search_keyword_fts, rowid, names, captions, auto_tags, description)
        VALUES ('delete', old.asset_id, old.names, old.captions, old.auto_tags, old.description);
    END
    """,
    """
    CREATE TRIGGER search_keyword_fts_update AFTER UPDATE ON search_keyworddocument BEGIN
        INSERT INTO search_keyword_fts (search_keyword_fts, rowid, names, captions, auto_tags, description)
        VALUES ('delete', old.asset_id, old.names, old.captions, old.auto_tags, old.description);
        INSERT INTO search_keyword_fts (rowid, names, captions, auto_tags, description)
        VALUES (new.asset_id, new.names, new.captions, new.auto_tags, new.description);
    END
    """,
    "INSERT INTO search_keyword_fts (search_keyword_fts) VALUES ('rebuild')",
]
SQLITE_BACK = [
    "DROP TRIGGER search_keyword_fts_update",
    "DROP TRIGGER search_keyword_fts_delete",
    "DROP TRIGGER search_keyword_fts_insert",
    "DROP TABLE search_keyword_fts",
]
POSTGRESQL = [
    """
    ALTER TABLE search_keyworddocument ADD COLUMN words tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('english', names), 'A') || setweight(to_tsvector('english', captions), 'B')
        || setweight(to_tsvector('english', auto_tags), 'C') || setweight(to_tsvector('english', description), 'D')
    ) STORED
    """,
    "CREATE INDEX search_keyword_words ON search_keyworddocument USING gin (words)",
]
POSTGRESQL_BACK = ["ALTER TABLE search_keyworddocument DROP COLUMN words"]


def _run(schema_editor, *, sqlite, postgresql):
    for statement in postgresql if schema_editor.connection.vendor == "postgresql" else sqlite:
        schema_editor.execute(statement)


def forwards(apps, schema_editor):
    _run(schema_editor, sqlite=SQLITE, postgresql=POSTGRESQL)


def backwards(apps, schema_editor):
    _run(schema_editor, sqlite=SQLITE_BACK, postgresql=POSTGRESQL_BACK)


class Migration(migrations.Migration):
    dependencies = [("search", "0001_initial")]
    operations = [migrations.RunPython(forwards, backwards)]
