-- The schema of cdpoll's database, in its present form. A new database is made from this file; databases of earlier
-- releases are brought to the same form by the steps in worker/store/schema/migrations.py.
--
-- Times are whole milliseconds since 1970 in UTC, and their names end in _at; the views show them as ISO 8601 text. The
-- body of a result is kept byte for byte; rows of paths, answers and texts are derived from it and can be made again.
--
-- A comment above a table or a view says what it holds, a comment beside a column what that column says.
-- docs/schema.md is made from them. A check with OR costs less than one with IN, for which SQLite makes a temporary
-- b-tree in every INSERT.


-- ---------------------------------------------------------------------------------------------------------------------
-- Tasks

-- One row for each discovery that was recorded. No row is ever deleted by polling.
CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY,            -- the row's number, in the order of recording
    id TEXT NOT NULL UNIQUE,            -- the vendor's id of the discovery, opaque
    origin TEXT NOT NULL,               -- of the API that the id belongs to; '' until one is configured
    state TEXT NOT NULL CHECK (state = 'pending' OR state = 'concluded' OR state = 'abandoned'),
        -- pending: polled; concluded: the vendor has finished; abandoned: polls have stopped
    outcome TEXT CHECK (outcome = 'success' OR outcome = 'failure'),
        -- the vendor's word for a concluded task; failure: no coverage was found
    name TEXT,                          -- the customer's name for this sort of discovery, as the vendor shows it
    source TEXT NOT NULL,
        -- how the id first came in: id, link, location, headers, body, jsonl, callback, submit, lookup or backfill
    correlation_id TEXT,                -- of the request that began the discovery
    trace_id TEXT,                      -- the vendor's, of the first answer that had one
    trace_number TEXT,                  -- TRN02 of our own 270
    originator_id TEXT,                 -- TRN03 of our own 270
    member_id TEXT,                     -- of the subscriber, where the recording told it
    birth_date TEXT,                    -- of the subscriber, as the caller wrote it, where the recording told it
    subtenant TEXT,                     -- whose task it is: a tag of the caller's, which goes out with the results
    recorded_at INTEGER NOT NULL,       -- when the id was first recorded
    started_at INTEGER,
        -- the vendor's startDateTime; until known, when the answer that named the task was sent
    life_from INTEGER NOT NULL,         -- when it was recorded, or last retried by a person
    paused_base INTEGER NOT NULL,       -- api.paused_total at life_from, ms
    life_base INTEGER NOT NULL GENERATED ALWAYS AS (life_from - paused_base) VIRTUAL,
        -- its life began here, but for pauses
    due_at INTEGER,                     -- when the next poll is planned; it stays while the poll is under way
    leased_until INTEGER,               -- claimed for a poll until then; none: not claimed
    reason TEXT NOT NULL DEFAULT 'first', -- why the next poll is at due_at, in a word
    polls INTEGER NOT NULL DEFAULT 0,   -- requests for this task that the API answered or should have
    failures INTEGER NOT NULL DEFAULT 0, -- polls in a row without a usable reply
    not_found_since INTEGER,            -- since when the vendor has said 404; none: it knows the id
    last_error TEXT,                    -- code of the last poll's failure; none: it was usable
    last_poll_at INTEGER,               -- when the last reply came, or was given up
    last_status INTEGER,                -- HTTP status of the last reply, of a failure too
    last_trace_id TEXT,                 -- the vendor's trace id of the last reply, of a failure too
    pending_at INTEGER,                 -- when the vendor last showed the task as pending
    task_class TEXT NOT NULL DEFAULT 'unseen', -- the class that the learned schedule sorts it into
    polls_outlived INTEGER NOT NULL DEFAULT 0, -- polls that came to nothing after give_up_after
    delay_per_request_ms INTEGER,       -- what a request was worth, in ms of waiting, when the next poll was planned
    verify_at INTEGER,                  -- when a concluded task is to be polled once more, to compare the bodies
    concluded_at INTEGER,               -- when the result came
    concluded_by TEXT,                  -- what brought it: poll, callback, replay or backfill
    abandoned_at INTEGER,               -- when it was abandoned
    purged_at INTEGER,
        -- when everything that says whom it is about was removed; none: it was not, or more came since
    callback_at INTEGER,                -- when the first callback came that said how it ended; none: none did
    verified TEXT,
        -- what the vendor says, asked about a callback: confirmed, or differs, pending, unknown or unanswered, until a
        -- person has accepted it; none: it was not asked, or has not answered yet
    awaited_from INTEGER,
        -- of one that a poll has concluded while callbacks are configured: its end, since when its callback is awaited
    CHECK ((state = 'concluded') = (outcome IS NOT NULL)),
    CHECK ((state = 'pending') = (due_at IS NOT NULL)),
    CHECK (leased_until IS NULL OR state = 'pending')
) STRICT;

-- All states, not the pending ones alone: SQLite would not take a partial index here, and sort a million rows instead.
CREATE INDEX tasks_due ON tasks (state, due_at);
CREATE INDEX tasks_correlation ON tasks (correlation_id) WHERE correlation_id IS NOT NULL;
CREATE INDEX tasks_leased ON tasks (leased_until) WHERE leased_until IS NOT NULL;
CREATE INDEX tasks_recorded ON tasks (state, recorded_at);
CREATE INDEX tasks_life ON tasks (state, life_base);
CREATE INDEX tasks_not_found ON tasks (state, not_found_since) WHERE not_found_since IS NOT NULL;
CREATE INDEX tasks_verify ON tasks (verify_at) WHERE verify_at IS NOT NULL;
CREATE INDEX tasks_verified ON tasks (verified)
    WHERE verified IS NOT NULL AND verified <> 'confirmed' AND verified <> 'accepted';
CREATE INDEX tasks_waiting ON tasks (due_at) WHERE reason = 'callback' AND due_at IS NOT NULL;
CREATE INDEX tasks_awaited ON tasks (awaited_from) WHERE awaited_from IS NOT NULL AND callback_at IS NULL;
CREATE INDEX tasks_trace ON tasks (trace_number) WHERE trace_number IS NOT NULL;

-- The caller's own keys for a task. A task may have any number of them: each is what a caller wants the result for, so
-- none is left out.
CREATE TABLE refs (
    task INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE, -- its row
    ref TEXT NOT NULL,                  -- the caller's key; may be patient data
    correlation_id TEXT,                -- of the request that named this ref
    added_at INTEGER NOT NULL,          -- when it was recorded
    PRIMARY KEY (task, ref)
) STRICT;

-- What happened to a task: its changes of state, not each poll. Of one task at most 200 rows are kept: the first 20, one
-- that says how many are left out after them, and the newest.
CREATE TABLE history (
    seq INTEGER PRIMARY KEY,            -- the row's number, in the order of events
    task INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE, -- its row
    at INTEGER NOT NULL,                -- when
    event TEXT NOT NULL,                -- what, in a word
    detail TEXT                         -- a few words more, without patient data
) STRICT;
CREATE INDEX history_task ON history (task, seq);
-- The 21st row becomes the one that counts, and the one behind it goes.
CREATE TRIGGER history_bounded AFTER INSERT ON history
WHEN (SELECT count(*) FROM history WHERE task = new.task) > 200
BEGIN
    UPDATE history SET event = 'left_out', detail = '1'
        WHERE seq = (SELECT seq FROM history WHERE task = new.task ORDER BY seq LIMIT 1 OFFSET 20)
        AND event <> 'left_out';
    UPDATE history SET detail = CAST(CAST(detail AS INTEGER) + 1 AS TEXT)
        WHERE seq = (SELECT seq FROM history WHERE task = new.task ORDER BY seq LIMIT 1 OFFSET 20);
    DELETE FROM history
        WHERE seq = (SELECT seq FROM history WHERE task = new.task ORDER BY seq LIMIT 1 OFFSET 21);
END;

-- The newest polls of a task that failed, at most 5: what the vendor's support is told by `cdpoll support`.
CREATE TABLE failed_polls (
    seq INTEGER PRIMARY KEY,            -- the row's number
    task INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE, -- its row
    at INTEGER NOT NULL,                -- when the reply came, or was given up
    error TEXT NOT NULL,                -- code of the failure
    status INTEGER,                     -- HTTP status of the reply; none: there was none
    trace_id TEXT                       -- the vendor's, of that reply
) STRICT;
CREATE INDEX failed_polls_task ON failed_polls (task, seq);

-- What was handed in as an id and could not be read, until a person has dealt with it. It grows by what callers hand in:
-- an equal text is kept once, of at most 64 KiB, and `cdpoll unreadable drop --all` empties it.
CREATE TABLE unreadable (
    seq INTEGER PRIMARY KEY,            -- its number in `cdpoll unreadable`
    raw TEXT NOT NULL,                  -- as it was handed in
    reason TEXT NOT NULL,               -- why no id could be read
    ref TEXT NOT NULL,                  -- the caller's key, '' where none was given
    first_at INTEGER NOT NULL,          -- when it first came
    last_at INTEGER NOT NULL,           -- when it last came
    UNIQUE (raw, ref)
) STRICT;
-- A trigger, so that who may only add texts need not be let read them.
CREATE TRIGGER unreadable_again BEFORE INSERT ON unreadable
WHEN EXISTS (SELECT 1 FROM unreadable WHERE raw = new.raw AND ref = new.ref)
BEGIN
    UPDATE unreadable SET last_at = new.last_at WHERE raw = new.raw AND ref = new.ref;
    SELECT RAISE(IGNORE);
END;

-- Discoveries whose ids were not seen: a request went out, and its answer was lost. They are looked for by the correlation
-- id of the request.
CREATE TABLE lookups (
    seq INTEGER PRIMARY KEY,            -- its number in `cdpoll lookups`
    correlation_id TEXT NOT NULL,       -- of the request
    ref TEXT NOT NULL,                  -- the caller's key, '' where none was given; may be patient data
    trace_number TEXT,                  -- TRN02 of our own 270
    originator_id TEXT,                 -- TRN03 of our own 270
    member_id TEXT,                     -- of the subscriber
    birth_date TEXT,                    -- of the subscriber, as the caller wrote it
    subtenant TEXT,                     -- whose task it is: a tag of the caller's
    recorded_at INTEGER NOT NULL,       -- when it was recorded
    state TEXT NOT NULL CHECK (state = 'searching' OR state = 'found' OR state = 'expired'),
        -- searching: asked for; found: a task is recorded; expired: none was found in time
    due_at INTEGER,                     -- when the vendor's list is next asked; none: no more
    leased_until INTEGER,               -- claimed for a search until then; none: not claimed
    searches INTEGER NOT NULL DEFAULT 0, -- requests that the vendor answered with a list
    failures INTEGER NOT NULL DEFAULT 0, -- requests in a row without a usable answer
    last_error TEXT,                    -- code of the last request's failure; none: it was usable
    ended_at INTEGER,                   -- when it was found, or had expired
    UNIQUE (correlation_id, ref)
) STRICT;
CREATE INDEX lookups_due ON lookups (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX lookups_state ON lookups (state);

-- Answers that are expected without an id: a batch finds them by the trace number of the inquiry.
CREATE TABLE expected (
    seq INTEGER PRIMARY KEY,            -- its number in `cdpoll expected`
    ref TEXT NOT NULL,                  -- the caller's key, for which the answer goes out; may be patient data
    trace_number TEXT NOT NULL,         -- TRN02 of our own 270
    originator_id TEXT NOT NULL,        -- TRN03 of our own 270; '' where it was not told
    member_id TEXT,                     -- of the subscriber
    birth_date TEXT,                    -- of the subscriber, as the caller wrote it
    correlation_id TEXT,                -- of the request
    subtenant TEXT,                     -- whose answer it is: a tag of the caller's
    recorded_at INTEGER NOT NULL,       -- when it was recorded
    answered_at INTEGER,                -- when the first answer of a batch came; none: none has
    UNIQUE (trace_number, originator_id, ref)
) STRICT;
CREATE INDEX expected_ref ON expected (ref);
CREATE INDEX expected_waiting ON expected (recorded_at) WHERE answered_at IS NULL;

-- How many tasks there are of a sort. Triggers on tasks change it, in the transaction that changes the task, so that no
-- statement can forget to; a poll that finds a task still pending costs nothing for it.
CREATE TABLE tallies (
    name TEXT NOT NULL,
        -- state; outcome; error: pending, by last_error; failing: of these, with three failures in a row
    key TEXT NOT NULL,                  -- which state, outcome or error
    n INTEGER NOT NULL,                 -- how many tasks
    PRIMARY KEY (name, key)
) STRICT;
INSERT INTO tallies (name, key, n) VALUES ('state', 'pending', 0), ('state', 'concluded', 0), ('state', 'abandoned', 0),
    ('outcome', 'success', 0), ('outcome', 'failure', 0);

CREATE TRIGGER tasks_added AFTER INSERT ON tasks BEGIN
    UPDATE tallies SET n = n + 1 WHERE name = 'state' AND key = new.state;
    UPDATE tallies SET n = n + 1 WHERE name = 'outcome' AND key = new.outcome;
    INSERT INTO tallies (name, key, n) SELECT 'error', new.last_error, 1
        WHERE new.state = 'pending' AND new.last_error IS NOT NULL ON CONFLICT (name, key) DO UPDATE SET n = n + 1;
    INSERT INTO tallies (name, key, n) SELECT 'failing', new.last_error, 1
        WHERE new.state = 'pending' AND new.last_error IS NOT NULL AND new.failures >= 3
        ON CONFLICT (name, key) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER tasks_removed AFTER DELETE ON tasks BEGIN
    UPDATE tallies SET n = n - 1 WHERE name = 'state' AND key = old.state;
    UPDATE tallies SET n = n - 1 WHERE name = 'outcome' AND key = old.outcome;
    UPDATE tallies SET n = n - 1 WHERE name = 'error' AND key = old.last_error AND old.state = 'pending';
    UPDATE tallies SET n = n - 1
        WHERE name = 'failing' AND key = old.last_error AND old.state = 'pending' AND old.failures >= 3;
END;
CREATE TRIGGER tasks_changed AFTER UPDATE OF state, outcome, last_error, failures ON tasks
WHEN old.state <> new.state OR old.outcome IS NOT new.outcome OR old.last_error IS NOT new.last_error
    OR (old.failures >= 3) <> (new.failures >= 3)
BEGIN
    UPDATE tallies SET n = n - 1 WHERE name = 'state' AND key = old.state;
    UPDATE tallies SET n = n - 1 WHERE name = 'outcome' AND key = old.outcome;
    UPDATE tallies SET n = n - 1 WHERE name = 'error' AND key = old.last_error AND old.state = 'pending';
    UPDATE tallies SET n = n - 1
        WHERE name = 'failing' AND key = old.last_error AND old.state = 'pending' AND old.failures >= 3;
    UPDATE tallies SET n = n + 1 WHERE name = 'state' AND key = new.state;
    UPDATE tallies SET n = n + 1 WHERE name = 'outcome' AND key = new.outcome;
    INSERT INTO tallies (name, key, n) SELECT 'error', new.last_error, 1
        WHERE new.state = 'pending' AND new.last_error IS NOT NULL ON CONFLICT (name, key) DO UPDATE SET n = n + 1;
    INSERT INTO tallies (name, key, n) SELECT 'failing', new.last_error, 1
        WHERE new.state = 'pending' AND new.last_error IS NOT NULL AND new.failures >= 3
        ON CONFLICT (name, key) DO UPDATE SET n = n + 1;
END;


-- ---------------------------------------------------------------------------------------------------------------------
-- Results

-- One row for each body of a concluded task, and for each answer of a batch. A task gets a revision only by a body that
-- differs from the last. And one row, until it concludes, for a pending task of which a path has found coverage.
CREATE TABLE results (
    seq INTEGER PRIMARY KEY,
        -- the row's key, never used again; given before the row is visible: outbox has the numbers to follow
    task INTEGER REFERENCES tasks (seq) ON DELETE CASCADE,
        -- the row of its task; none: an answer of a batch that matched no task
    expected INTEGER REFERENCES expected (seq) ON DELETE SET NULL,
        -- of an answer of a batch: what it answers that was expected without an id; its ref counts where no task was
        -- found; none: it was not expected
    source TEXT NOT NULL CHECK (
        source = 'poll' OR source = 'callback' OR source = 'replay' OR source = 'backfill' OR source = 'batch'
    ),                                  -- what brought it
    revision INTEGER NOT NULL,
        -- 1, and more for later bodies of the same task that differ; 0: provisional, of a task that is still pending
    outcome TEXT,
        -- the vendor's: success or failure; none: an answer of a batch, or provisional
    received_at INTEGER NOT NULL,       -- when it came
    ended_at INTEGER,                   -- the vendor's endDateTime
    body BLOB NOT NULL,
        -- as received, byte for byte; of a batch's answer, what it says as JSON; provisional: the finished paths
    body_sha256 TEXT,                   -- of those bytes; none: an answer of a batch, whose set has one
    canonical_sha256 TEXT,              -- of the body without traceId, tenantName and realTime, in canonical JSON
    real_time_sha256 TEXT,              -- of what its realTime says, likewise
    derived INTEGER,
        -- which version of the X12 reader made its rows of answers and texts; none: they are still to be made
    purged_at INTEGER                   -- when its body, its paths and its answers were removed; none: they are there
) STRICT;
-- Answers of batches are no revisions of a task's result: a task may have any number of them.
CREATE UNIQUE INDEX results_revision ON results (task, revision) WHERE source <> 'batch';
CREATE INDEX results_task ON results (task);
CREATE INDEX results_expected ON results (expected) WHERE expected IS NOT NULL;
CREATE INDEX results_derived ON results (derived) WHERE source <> 'batch';
CREATE INDEX results_read ON results (derived) WHERE source = 'batch';
CREATE INDEX results_first ON results (received_at) WHERE source = 'poll' AND revision = 1;
CREATE INDEX results_called ON results (seq) WHERE source = 'callback' AND revision = 1;
CREATE INDEX results_called_at ON results (received_at) WHERE source = 'callback' AND revision = 1;

-- The discovery paths of a result: each place where the vendor looked.
CREATE TABLE paths (
    result INTEGER NOT NULL REFERENCES results (seq) ON DELETE CASCADE, -- its result
    list TEXT NOT NULL,                 -- successful, unsuccessful, pending or skipped
    position INTEGER NOT NULL,          -- its place in that list, from 0
    path_id TEXT,                       -- the vendor's id of the path
    name TEXT,                          -- the vendor's name of the path
    status TEXT,                        -- what came of its transaction
    payer_id TEXT,                      -- the vendor's id of the payer
    transaction_id TEXT,                -- the vendor's id of the transaction
    reason TEXT,                        -- why it was skipped or found nothing
    timestamp TEXT,                     -- when the payer answered, as the vendor wrote it
    PRIMARY KEY (result, list, position)
) STRICT;

-- What a 271 set says of one patient: of a batch (from_set), or of a 271 inside a polled result (list, position).
CREATE TABLE answers (
    seq INTEGER PRIMARY KEY,            -- the row's number
    result INTEGER NOT NULL REFERENCES results (seq) ON DELETE CASCADE, -- its result
    from_set INTEGER REFERENCES sets (seq) ON DELETE CASCADE, -- of a batch: its transaction set
    list TEXT,                          -- of a polled result: the list of its path
    position INTEGER,                   -- of a polled result: the place of its path in that list
    file INTEGER,                       -- of a batch: the file of its set
    ordinal INTEGER,
        -- of a batch: its place among the answers of the file, from 1; none: held back as a test
    level TEXT NOT NULL,
        -- whom it speaks of: subscriber, dependent; payer: it refused without naming any
    coverage TEXT NOT NULL,             -- active, inactive, not_covered, rejected or undetermined
    payer TEXT NOT NULL,                -- the payer's name
    payer_id TEXT NOT NULL,             -- the payer's id
    member_id TEXT NOT NULL,            -- of the patient, with that payer
    last_name TEXT NOT NULL,            -- of the patient
    first_name TEXT NOT NULL,           -- of the patient
    birth_date TEXT NOT NULL,           -- of the patient: YYYY-MM-DD
    plan TEXT NOT NULL,                 -- what the plan is called
    group_number TEXT NOT NULL,         -- of the plan
    group_name TEXT NOT NULL,           -- of the plan
    other_payers TEXT NOT NULL,         -- other payers that it names
    rejections TEXT NOT NULL,           -- reject reason codes of its AAA segments
    reference TEXT NOT NULL,            -- BHT03
    trace_number TEXT NOT NULL,         -- TRN02
    originator_id TEXT NOT NULL,        -- TRN03
    match TEXT CHECK (match = 'matched' OR match = 'candidate' OR match = 'unmatched' OR match = 'test'),
        -- of a batch: whether its task was found, or it was expected
    said TEXT,
        -- of a polled result: all that it says, as JSON; that of a batch is the body of its result
    begins TEXT NOT NULL DEFAULT '',    -- when the coverage begins or began: YYYY-MM-DD
    ends TEXT NOT NULL DEFAULT '',      -- when it ends or ended: YYYY-MM-DD
    managed_care TEXT NOT NULL DEFAULT '', -- managed care plans that are to be billed
    to_ask TEXT NOT NULL DEFAULT '',    -- whom it says to ask about the plan; they are not to be billed
    warnings TEXT NOT NULL DEFAULT '',  -- codes of what is odd in it, and in its set
    account TEXT NOT NULL DEFAULT '',   -- the patient's account with the provider (REF*EJ)
    found INTEGER NOT NULL
        GENERATED ALWAYS AS (coverage = 'active' OR other_payers <> '' OR managed_care <> '') VIRTUAL
        -- 1: it tells of coverage to bill: the patient's own, another payer's or a managed care plan's
) STRICT;
CREATE INDEX answers_result ON answers (result);
CREATE INDEX answers_set ON answers (from_set) WHERE from_set IS NOT NULL;
CREATE UNIQUE INDEX answers_ordinal ON answers (file, ordinal) WHERE ordinal IS NOT NULL;
CREATE INDEX answers_reference ON answers (reference) WHERE from_set IS NULL;
CREATE INDEX answers_trace ON answers (trace_number) WHERE from_set IS NULL;
CREATE INDEX answers_unjoined ON answers (trace_number) WHERE match = 'candidate' OR match = 'unmatched';

-- The tasks that an answer of a batch may belong to, where none is certain.
CREATE TABLE candidates (
    answer INTEGER NOT NULL REFERENCES answers (seq) ON DELETE CASCADE, -- the answer
    task INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE, -- a task that it may belong to
    reason TEXT NOT NULL,               -- what agrees
    PRIMARY KEY (answer, task)
) STRICT;
CREATE INDEX candidates_task ON candidates (task);

-- The identity of each 271 text that stands in a polled result.
CREATE TABLE texts (
    sha256 TEXT NOT NULL,               -- of ST…SE, as in sets
    result INTEGER NOT NULL REFERENCES results (seq) ON DELETE CASCADE, -- the result
    PRIMARY KEY (sha256, result)
) STRICT;
CREATE INDEX texts_result ON texts (result);

-- Bodies that were kept and are not results: of a status that is not known, of a callback that cannot be used. Of polled
-- bodies at most 5 of a task and 1,000 in all are kept, and an equal one once.
CREATE TABLE bodies (
    seq INTEGER PRIMARY KEY,            -- the row's number
    task INTEGER REFERENCES tasks (seq) ON DELETE CASCADE, -- the row of its task, where that is known
    source TEXT NOT NULL CHECK (source = 'poll' OR source = 'callback'), -- what brought it
    received_at INTEGER NOT NULL,       -- when it came
    reason TEXT NOT NULL,               -- why it is not a result, in a word
    identity TEXT NOT NULL UNIQUE,      -- SHA-256 of its task and of what it says: an equal one is kept once
    body BLOB NOT NULL,                 -- as received, byte for byte
    tenant TEXT,                        -- of a callback: the tenant that its header named
    correlation_id TEXT,                -- of a callback: of the request that began the discovery, as its header said
    trace_id TEXT                       -- of a callback: the vendor's, as its header said
) STRICT;
CREATE INDEX bodies_task ON bodies (task);
CREATE INDEX bodies_callback ON bodies (source) WHERE source = 'callback';

-- What comes for a task after it was purged is removed in its turn.
CREATE TRIGGER refs_after_purge AFTER INSERT ON refs
WHEN EXISTS (SELECT 1 FROM tasks WHERE seq = new.task AND purged_at IS NOT NULL)
BEGIN
    UPDATE tasks SET purged_at = NULL WHERE seq = new.task;
END;
CREATE TRIGGER results_after_purge AFTER INSERT ON results
WHEN EXISTS (SELECT 1 FROM tasks WHERE seq = new.task AND purged_at IS NOT NULL)
BEGIN
    UPDATE tasks SET purged_at = NULL WHERE seq = new.task;
END;
CREATE TRIGGER bodies_after_purge AFTER INSERT ON bodies
WHEN EXISTS (SELECT 1 FROM tasks WHERE seq = new.task AND purged_at IS NOT NULL)
BEGIN
    UPDATE tasks SET purged_at = NULL WHERE seq = new.task;
END;

-- What has become visible, in that order: a reader that follows the numbers misses nothing.
CREATE TABLE outbox (
    last INTEGER PRIMARY KEY,           -- the number of what became visible, or the last number of a range
    first INTEGER NOT NULL CHECK (first <= last), -- the first number of the range; of a single number, the same
    result INTEGER REFERENCES results (seq) ON DELETE CASCADE, -- the result; none: answers of a file
    ref TEXT,                           -- the caller's key that this row is for; may be patient data
    reason TEXT NOT NULL,               -- why there is a row, in a word: result, revision, ref, file, set, read
    file INTEGER REFERENCES files (seq) ON DELETE CASCADE, -- the file whose answers became visible together
    ordinal INTEGER,                    -- which answer of the file has the first number
    at INTEGER,                         -- when it became visible; none: an earlier release gave the number
    CHECK ((result IS NULL) = (file IS NOT NULL)),
    CHECK ((file IS NULL) = (ordinal IS NULL))
) STRICT;
CREATE INDEX outbox_result ON outbox (result);
CREATE INDEX outbox_file ON outbox (file) WHERE file IS NOT NULL;

-- The ways out, one row for each `[deliver.NAME]` that was ever used: how far each has come in the outbox.
CREATE TABLE ways (
    name TEXT PRIMARY KEY,              -- NAME of the section
    position INTEGER NOT NULL,
        -- every number up to here was delivered, has a row in deliveries, or is not for this way
    began_at INTEGER NOT NULL,          -- when it was first used
    delivered INTEGER NOT NULL DEFAULT 0, -- how many results it has delivered
    last_at INTEGER,                    -- when it last delivered one
    failures INTEGER NOT NULL DEFAULT 0, -- attempts in a row that came to nothing
    rests_until INTEGER,                -- nothing is sent before; none: it does not rest
    stopped_at INTEGER,                 -- when the receiver said that it wants nothing more; none: it did not
    reason TEXT                         -- why it rests or was stopped, in words
) STRICT;

-- What is under way on a way out, has failed, or was given up. What was delivered has no row.
CREATE TABLE deliveries (
    way TEXT NOT NULL REFERENCES ways (name) ON DELETE CASCADE, -- the way
    number INTEGER NOT NULL,            -- the number of the result in the outbox
    result INTEGER NOT NULL REFERENCES results (seq) ON DELETE CASCADE, -- the result
    task INTEGER,                       -- the row of its task: what is of one task is sent in the order of the numbers
    state TEXT NOT NULL CHECK (state = 'waiting' OR state = 'failed' OR state = 'dead'),
        -- waiting: not tried yet; failed: tried again at next_at; dead: given up
    attempts INTEGER NOT NULL DEFAULT 0, -- made so far
    next_at INTEGER NOT NULL,           -- when it is tried next
    error TEXT,                         -- code of the last attempt's failure
    detail TEXT,                        -- a few words more, without patient data
    first_at INTEGER NOT NULL,          -- when it was taken from the outbox
    last_at INTEGER,                    -- when it was last tried
    PRIMARY KEY (way, number)
) STRICT;
CREATE INDEX deliveries_due ON deliveries (way, state, next_at);
CREATE INDEX deliveries_task ON deliveries (way, task);
CREATE INDEX deliveries_result ON deliveries (result);

-- Readers that follow the numbers by `cdpoll export --cursor NAME`, and how far each has come.
CREATE TABLE cursors (
    name TEXT PRIMARY KEY,              -- which
    number INTEGER NOT NULL,            -- everything up to this number was handed out
    moved_at INTEGER NOT NULL           -- when it last moved
) STRICT;

-- Numbers given so far. A number is drawn by updating its row, so that no two transactions draw the same one.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,              -- what is numbered
    value INTEGER NOT NULL              -- the last number given
) STRICT;
INSERT INTO counters (name, value) VALUES ('outbox', 0), ('results', 0), ('answers', 0), ('sets', 0),
    ('later_refs', 0);


-- ---------------------------------------------------------------------------------------------------------------------
-- Batches

-- One row for each batch file that was read. Rows of a file in the state staging are seen by no view.
CREATE TABLE files (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- the row's number
    name TEXT NOT NULL,                 -- as it was given, or as the drop had it
    source TEXT NOT NULL CHECK (source = 'path' OR source = 'sftp'), -- how it came
    sha256 TEXT NOT NULL,               -- of its bytes: its identity
    size INTEGER NOT NULL,              -- bytes
    state TEXT NOT NULL
        CHECK (state = 'staging' OR state = 'ingested' OR state = 'quarantined' OR state = 'incomplete' OR
            state = 'skipped'),
        -- staging: still being read
    reason TEXT,                        -- why it is in that state
    interchanges INTEGER NOT NULL DEFAULT 0, -- ISA…IEA in it
    transaction_sets INTEGER NOT NULL DEFAULT 0, -- complete 271 sets, those known before included
    known_sets INTEGER NOT NULL DEFAULT 0, -- sets that an earlier file had
    subscribers INTEGER NOT NULL DEFAULT 0, -- in its 271 sets
    matched INTEGER NOT NULL DEFAULT 0, -- new answers whose task was found, or that were expected
    candidates INTEGER NOT NULL DEFAULT 0, -- new answers that may belong to a task
    unmatched INTEGER NOT NULL DEFAULT 0, -- new answers of which neither was found
    test_answers INTEGER NOT NULL DEFAULT 0, -- answers held back as tests: neither matched nor delivered
    quarantined_sets INTEGER NOT NULL DEFAULT 0, -- sets that could not be understood
    other_sets INTEGER NOT NULL DEFAULT 0, -- sets of other kinds than 271
    warnings TEXT NOT NULL DEFAULT '[]', -- JSON
    was_incomplete INTEGER NOT NULL DEFAULT 0, -- 1: it, or an earlier one of its name, once was incomplete
    as_is INTEGER NOT NULL DEFAULT 0,   -- 1: a person took it as it is, although it is incomplete
    first_at INTEGER NOT NULL,          -- when it, or an incomplete one of its name, was first read
    done_at INTEGER NOT NULL,           -- when it came into its state
    purged_at INTEGER,                  -- when its name and what was in it were removed; none: they are there
    daemon TEXT
        -- of one that is kept whole: the name of the daemon on whose host its bytes are; none: they are not kept
) STRICT;
CREATE UNIQUE INDEX files_sha256 ON files (sha256) WHERE state IN ('ingested', 'quarantined', 'skipped');
CREATE INDEX files_name ON files (name) WHERE was_incomplete = 1;

-- Files whose row was removed while their bytes were kept: these may be deleted. What is kept and is in neither table
-- belongs to a later state of this database. Bounded: each round, and each `cdpoll ingest`, empties it. Where several
-- hosts share a server the rows stay, for each host has files of its own.
CREATE TABLE discarded (
    sha256 TEXT PRIMARY KEY             -- of the file's bytes
) STRICT;
CREATE TRIGGER files_removed AFTER DELETE ON files WHEN old.state = 'incomplete' OR old.state = 'quarantined' BEGIN
    INSERT INTO discarded (sha256) VALUES (old.sha256) ON CONFLICT (sha256) DO NOTHING;
END;

-- The interchange and the functional group that transaction sets of a file stood in.
CREATE TABLE envelopes (
    seq INTEGER PRIMARY KEY,            -- the row's number
    file INTEGER NOT NULL REFERENCES files (seq) ON DELETE CASCADE, -- the file
    interchange TEXT NOT NULL,          -- JSON: number, delimiters, and values of the ISA
    grouped TEXT,                       -- JSON: values of the GS
    test INTEGER NOT NULL               -- 1: the interchange was marked as a test
) STRICT;
CREATE INDEX envelopes_file ON envelopes (file);

-- The transaction sets of batch files, byte for byte.
CREATE TABLE sets (
    seq INTEGER PRIMARY KEY,            -- the row's number
    file INTEGER NOT NULL REFERENCES files (seq) ON DELETE CASCADE, -- the file
    envelope INTEGER NOT NULL REFERENCES envelopes (seq) ON DELETE CASCADE, -- what it stood in
    state TEXT NOT NULL
        CHECK (state = 'accepted' OR state = 'test' OR state = 'quarantined' OR state = 'other' OR state = 'dropped'),
        -- test: held back; dropped: by a person, from quarantine
    code TEXT NOT NULL,                 -- ST01
    control TEXT NOT NULL,              -- ST02; no identity
    version TEXT NOT NULL,              -- ST03, or GS08
    byte_offset INTEGER NOT NULL,       -- where it begins in the file
    byte_length INTEGER NOT NULL,       -- of ST…SE
    segments INTEGER NOT NULL,          -- of ST…SE
    sha256 TEXT UNIQUE,                 -- its identity, of ST…SE; none: the bytes were too many to keep
    issues TEXT NOT NULL DEFAULT '[]',  -- JSON
    raw BLOB NOT NULL                   -- ST…SE, byte for byte
) STRICT;
CREATE INDEX sets_file ON sets (file);
CREATE INDEX sets_held ON sets (state) WHERE state = 'quarantined';

-- What the drop held when it was last listed; what is no longer there is forgotten, at the latest after a week. A file
-- is settled when its size and time were the same for long enough.
CREATE TABLE remote_files (
    name BLOB PRIMARY KEY,              -- the server's bytes
    shown TEXT NOT NULL,                -- the same for people
    size INTEGER NOT NULL,              -- bytes
    mtime INTEGER NOT NULL,             -- as the server says, ms
    seen_at INTEGER NOT NULL,           -- since when it has this size and time
    state TEXT NOT NULL
        CHECK (state = 'seen' OR state = 'fetching' OR state = 'fetched' OR state = 'done' OR state = 'gone'),
        -- how far it has come
    local TEXT,                         -- its name in the private folder, while it is there
    attempts INTEGER NOT NULL DEFAULT 0, -- to fetch it, or to find it again
    next_at INTEGER NOT NULL DEFAULT 0, -- not to be fetched before; of one that is done: when it is read once more, or 0
    tidy INTEGER NOT NULL DEFAULT 0,    -- 1: everything in it is stored, and it is still to be moved or deleted there
    was_incomplete INTEGER NOT NULL DEFAULT 0, -- 1: a copy of it once was incomplete: it stays where it is
    error TEXT,                         -- why it could not be fetched the last time
    first_at INTEGER NOT NULL DEFAULT 0, -- since when it is listed and was not fetched; 0: an earlier release listed it
    retimed INTEGER NOT NULL DEFAULT 0, -- at how many listings in a row it had another time and the same size
    daemon TEXT                         -- of one whose fetch was begun: the name of the daemon to whose host it went
) STRICT;


-- ---------------------------------------------------------------------------------------------------------------------
-- What the processes share

-- One row: the circuit breaker, the rate limiter and the schedule. Each pass of each process writes it, so it is their
-- lock.
CREATE TABLE api (
    id INTEGER PRIMARY KEY CHECK (id = 1), -- always 1
    reason TEXT,                        -- why the API is paused; none: it is not
    code TEXT,                          -- of the reply that began the pause, or last prolonged it
    paused_at INTEGER,                  -- when the pause began
    resumes_at INTEGER,                 -- when the next probe is made
    probes INTEGER NOT NULL,            -- made in this pause
    paused_total INTEGER NOT NULL,      -- of the pauses that are over, ms
    tat_us INTEGER NOT NULL,            -- the limiter's theoretical arrival time, in microseconds since 1970
    pace INTEGER NOT NULL,              -- the share of the rate that the vendor bears, in millionths
    slowed_at INTEGER NOT NULL,         -- when the pace was last halved
    eased_at INTEGER NOT NULL,          -- when the pace was last changed
    day INTEGER NOT NULL,               -- days since 1970, for which requests are counted
    spent INTEGER NOT NULL,             -- requests of that day
    delay_per_request_ms REAL NOT NULL, -- what a request is worth, in ms of waiting
    credit INTEGER NOT NULL,            -- polls saved so far against the cadence
    first_wait_ms INTEGER,              -- from recording to the first poll; none: as the cadence says
    floated_at INTEGER NOT NULL DEFAULT 0, -- when what a request is worth was last fitted to the load
    asked INTEGER NOT NULL DEFAULT 0,   -- requests granted since then
    backlog INTEGER NOT NULL DEFAULT 0  -- polls that were due and not made then
) STRICT;
INSERT INTO api (id, probes, paused_total, tat_us, pace, slowed_at, eased_at, day, spent, delay_per_request_ms, credit)
VALUES (1, 0, 0, 0, 1000000, 0, 0, 0, 0, 0, 0);

-- The tokens that the vendor was given for its callbacks and can still use. No token stands here, and no secret.
CREATE TABLE callback_tokens (
    token_sha256 TEXT PRIMARY KEY,      -- SHA-256 of the token
    bound TEXT NOT NULL,                -- HMAC of client id and secret with the token as the key: whose it is
    scope TEXT,                         -- the scope it has; none: none
    expires_at INTEGER NOT NULL         -- until when it can be used
) STRICT;
CREATE INDEX callback_tokens_expires ON callback_tokens (expires_at);

-- One row: whether the vendor's callbacks arrive. A callback is fresh when it comes soon after the end of its discovery:
-- one that is replayed later says nothing.
CREATE TABLE callback_lane (
    id INTEGER PRIMARY KEY CHECK (id = 1), -- always 1
    on_since INTEGER,                   -- since when callbacks are configured; none: they are not
    last_at INTEGER,                    -- when the last callback came
    last_fresh_at INTEGER,              -- when the last fresh one came
    down_since INTEGER,                 -- since when they do not arrive; none: they do, or it is not known
    learned INTEGER NOT NULL DEFAULT 0  -- the result up to which the schedule has learned what callbacks tell
) STRICT;
INSERT INTO callback_lane (id) VALUES (1);

-- One row: the sweep over the vendor's list for discoveries that were not recorded here.
CREATE TABLE backfill (
    id INTEGER PRIMARY KEY CHECK (id = 1), -- always 1
    begins_at INTEGER,                  -- of the sweep under way: the begin of its window; none: no sweep is under way
    ends_at INTEGER,                    -- the end of its window
    reached_at INTEGER,                 -- up to which start of a discovery it has read the list
    until_at INTEGER,                   -- the end of the part of the window that is asked for at present
    next_offset INTEGER NOT NULL DEFAULT 0, -- where it goes on in the list of that part
    offset_by TEXT,                     -- what an offset counts: records or pages; none: it has not been found out
    through_at INTEGER,                 -- all before this was read by a sweep that came to its end
    next_at INTEGER,                    -- when the next request of the sweep, or the next sweep, is due
    ended_at INTEGER,                   -- when the last sweep came to its end
    pages INTEGER NOT NULL DEFAULT 0,   -- of the present sweep, or the last
    received INTEGER NOT NULL DEFAULT 0, -- rows of these pages
    recorded INTEGER NOT NULL DEFAULT 0, -- ids among them that were not recorded before
    foreign_rows INTEGER NOT NULL DEFAULT 0, -- rows among them that belong to others, and were left
    failures INTEGER NOT NULL DEFAULT 0, -- requests in a row without a usable answer
    last_error TEXT                     -- code of the last request's failure; none: it was usable
) STRICT;
INSERT INTO backfill (id) VALUES (1);

-- The folder where others leave ids, as each daemon last found its own.
CREATE TABLE spool (
    daemon TEXT PRIMARY KEY,            -- the name of the daemon
    looked_at INTEGER,                  -- when it was last looked at; none: never
    waiting INTEGER NOT NULL DEFAULT 0, -- files that were there and were not taken
    oldest_at INTEGER,                  -- of these, when the oldest was left there; none: none waits
    taken INTEGER NOT NULL DEFAULT 0,   -- files that were taken so far
    bad INTEGER NOT NULL DEFAULT 0,     -- files that lie in the folder for bad ones
    bad_since INTEGER,                  -- since when there are any; none: there are none
    last_error TEXT                     -- why the folder could not be used; none: it could
) STRICT;

-- The hazard curve that was learned of each class of tasks.
CREATE TABLE curves (
    task_class TEXT PRIMARY KEY,        -- the class
    curve TEXT NOT NULL                 -- JSON; see worker/core/schedule/hazard.py
) STRICT;

-- What one host does at a time, of all that share this database: which does it, and until when it may be taken for
-- alive. No row: none does it.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,              -- the work: drop, batch, backfill, retention, deliver, problems; cursor:NAME
    holder TEXT NOT NULL,               -- the name of its daemon, and a random word of its folder
    until_at INTEGER NOT NULL           -- when another may take it, unless it is renewed before
) STRICT;

-- The daemons that work on this database, or did within the last week: one row for each name. With a file there is one.
CREATE TABLE daemons (
    name TEXT PRIMARY KEY,              -- [store] daemon; with a file cdpoll
    host TEXT NOT NULL,                 -- the machine that it runs on; empty: it last ran before there were several
    pid INTEGER NOT NULL,               -- its process
    version TEXT NOT NULL,              -- of cdpoll
    started_at INTEGER NOT NULL,        -- when it started
    beat_at INTEGER NOT NULL,           -- when it last finished a pass
    stopped_at INTEGER,                 -- when it ended as it should; none: it runs, or did not end so
    token_expires_at INTEGER,           -- until when its token is good
    starts INTEGER NOT NULL DEFAULT 1
        -- starts in a row within minutes, each after an end in the middle of its work
) STRICT;

-- What people are to know and no row of a task shows. `cdpoll status` lists them among the problems.
CREATE TABLE notices (
    daemon TEXT NOT NULL DEFAULT '',    -- of which daemon it is; empty: of what all daemons share
    code TEXT NOT NULL,                 -- the problem's code
    at INTEGER NOT NULL,                -- since when
    detail TEXT NOT NULL,               -- what is wrong, and what to do
    PRIMARY KEY (daemon, code)
) STRICT;

-- The problems that stand, as they were last found. `cdpoll problems list` shows them.
CREATE TABLE problems (
    code TEXT NOT NULL,                 -- as in docs/problems.md
    daemon TEXT NOT NULL DEFAULT '',    -- which daemon has it; empty: the rows that all daemons share show it
    began_at INTEGER NOT NULL,          -- since when it stands
    n INTEGER NOT NULL,                 -- how many tasks, files or other things it concerns
    ended_at INTEGER,                   -- when it was found to be over; the row goes a minute later. None: it stands
    told INTEGER NOT NULL,              -- 1: the log has told of its beginning
    acked_n INTEGER,                    -- acknowledged for as many; none: not acknowledged
    acked_by TEXT,                      -- who acknowledged it: a user of the machine
    acked_at INTEGER,                   -- when that was
    PRIMARY KEY (code, daemon)
) STRICT;

-- The audit: what people did by hand, and when they read patient data in a form for machines. Rows are only added.
-- docs/operations.md lists the actions. (What was done to a task stands in its history, too.)
CREATE TABLE acts (
    seq INTEGER PRIMARY KEY,            -- the row's number
    at INTEGER NOT NULL,                -- when
    who TEXT NOT NULL,                  -- a user of the machine
    act TEXT NOT NULL,                  -- the action, as "abandoned"; of rows before schema 27 a whole sentence
    object TEXT                         -- what it was done to: an id, a code, numbers; none: the action says all
) STRICT;
CREATE TRIGGER acts_replaced BEFORE INSERT ON acts WHEN EXISTS (SELECT 1 FROM acts WHERE seq = new.seq) BEGIN
    SELECT raise(ABORT, 'acts are only added');
END;
CREATE TRIGGER acts_changed BEFORE UPDATE ON acts BEGIN
    SELECT raise(ABORT, 'acts are only added');
END;
CREATE TRIGGER acts_removed BEFORE DELETE ON acts BEGIN
    SELECT raise(ABORT, 'acts are only added');
END;

-- Single values: the identity of this database, the API it belongs to, the drop, and how its rounds went.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,               -- which
    value TEXT NOT NULL                 -- its value
) STRICT;
INSERT INTO meta (key, value) VALUES ('identity', lower(hex(randomblob(16))));


-- ---------------------------------------------------------------------------------------------------------------------
-- Views, for people and BI tools

-- Each task on one line.
CREATE VIEW tasks_overview AS
SELECT
    id,                                 -- the vendor's id of the discovery
    state,                              -- pending, concluded or abandoned
    outcome,                            -- success or failure, of a concluded task
    name,                               -- the customer's name for this sort of discovery
    (SELECT group_concat(ref, ', ') FROM refs WHERE refs.task = tasks.seq) AS refs, -- the caller's keys
    correlation_id,                     -- of the request that began the discovery
    trace_id,                           -- the vendor's, of the first answer that had one
    strftime('%Y-%m-%dT%H:%M:%fZ', recorded_at / 1000.0, 'unixepoch') AS recorded_at, -- when the id was first recorded
    strftime('%Y-%m-%dT%H:%M:%fZ', started_at / 1000.0, 'unixepoch') AS started_at, -- when the vendor began
    strftime('%Y-%m-%dT%H:%M:%fZ', due_at / 1000.0, 'unixepoch') AS due_at, -- when the next poll is planned
    strftime('%Y-%m-%dT%H:%M:%fZ', concluded_at / 1000.0, 'unixepoch') AS concluded_at, -- when the result came
    concluded_by,                       -- what brought it: poll, callback, replay or backfill
    polls,                              -- polls made
    failures,                           -- polls in a row without a usable reply
    last_error,                         -- code of the last poll's failure
    last_status,                        -- HTTP status of the last reply
    last_trace_id,                      -- the vendor's trace id of the last reply
    strftime('%Y-%m-%dT%H:%M:%fZ', purged_at / 1000.0, 'unixepoch') AS purged_at,
        -- when what it is about was removed; none: it is there
    (SELECT count(*) FROM results WHERE results.task = tasks.seq AND results.source <> 'batch' AND results.revision > 1) AS revisions
        -- later bodies of it that differ from the one that concluded it
FROM tasks;

-- Coverage that was found: one row for each answer of a 271 that tells of coverage to bill, be it the patient's own,
-- another payer's or a managed care plan's, and whichever way it came: in a batch, or as the 271 of any path or of the
-- real-time check in a polled body. And one row for each path that the vendor lists as successful without an answer
-- that tells so; what its 271 says otherwise stands beside it. Of several bodies of a task the latest counts. An answer
-- of a batch whose very text stands in a polled body is the same answer, and has no row of its own. What finished paths
-- of a task have found that is still pending is provisional. What is held back as a test found nothing.
CREATE VIEW found_coverage AS
SELECT
    results.seq AS result,              -- the result's row
    answers.seq AS answer,              -- the answer's row; none: a path whose 271 is missing or says nothing
    tasks.id,                           -- the vendor's id of the discovery; none: no task was found for it
    (SELECT group_concat(ref, ', ') FROM refs WHERE refs.task = tasks.seq) AS refs, -- the caller's keys
    tasks.correlation_id,               -- of the request that began the discovery
    results.source,                     -- poll, callback, replay, backfill or batch
    results.revision,
        -- of a polled result: 1, and more for later bodies that differ; 0: the task is still pending
    results.outcome,                    -- of a polled result: success or failure
    results.revision = 0 AS provisional, -- 1: of a path that has finished while its task is still pending
    answers.list,
        -- of a polled result: successful or unsuccessful, the list of the path; realTime: of the real-time check
    CASE WHEN answers.list = 'realTime' THEN answers.list ELSE paths.name END AS path,
        -- of a polled result: where the vendor looked; realTime: the check that began the discovery
    paths.status,                       -- of a polled result: what came of it
    answers.coverage,                   -- active, inactive, not_covered, rejected or undetermined
    answers.payer,                      -- the payer's name
    coalesce(paths.payer_id, answers.payer_id) AS payer_id, -- the payer's id
    answers.member_id,                  -- of the patient, with that payer
    answers.last_name,                  -- of the patient
    answers.first_name,                 -- of the patient
    answers.birth_date,                 -- of the patient: YYYY-MM-DD
    answers.level,                      -- who the patient is in the plan: subscriber or dependent
    answers.plan,                       -- what the plan is called
    answers.group_number,               -- of the plan
    answers.group_name,                 -- of the plan
    answers.begins,                     -- when the coverage begins or began: YYYY-MM-DD
    answers.ends,                       -- when it ends or ended: YYYY-MM-DD
    answers.other_payers,               -- other payers that the answer names, and that are to be billed
    answers.managed_care,               -- managed care plans that are to be billed
    answers.to_ask,                     -- whom the answer says to ask about the plan; they are not to be billed
    answers.rejections,                 -- reject reason codes of its AAA segments
    answers.warnings,                   -- codes of what is odd in it, and in its set
    answers.trace_number,               -- TRN02
    answers.reference,                  -- BHT03
    answers.account,                    -- the patient's account with the provider (REF*EJ)
    paths.transaction_id,               -- of a polled result: the vendor's id of the transaction
    NULL AS match,                      -- of a batch: matched, candidate or unmatched
    NULL AS file,                       -- of a batch: the file's name
    paths.timestamp AS answered_at,     -- when the payer answered, as the vendor wrote it
    strftime('%Y-%m-%dT%H:%M:%fZ', results.received_at / 1000.0, 'unixepoch') AS received_at, -- when it came
    NULL AS test                        -- of a batch: 1 where its interchange was marked as a test
FROM answers
JOIN results ON results.seq = answers.result AND results.source <> 'batch'
LEFT JOIN paths ON paths.result = answers.result AND paths.list = answers.list AND paths.position = answers.position
LEFT JOIN tasks ON tasks.seq = results.task
WHERE answers.from_set IS NULL AND answers.found = 1 AND NOT EXISTS (
    SELECT 1 FROM results AS later
    WHERE later.task = results.task AND later.revision > results.revision AND later.source <> 'batch'
)
UNION ALL
SELECT
    results.seq, answers.seq, tasks.id,
    (SELECT group_concat(ref, ', ') FROM refs WHERE refs.task = tasks.seq),
    tasks.correlation_id, results.source, results.revision, results.outcome, results.revision = 0, paths.list,
    paths.name, paths.status, answers.coverage, answers.payer, coalesce(paths.payer_id, answers.payer_id),
    answers.member_id, answers.last_name, answers.first_name, answers.birth_date, answers.level, answers.plan,
    answers.group_number, answers.group_name, answers.begins, answers.ends, answers.other_payers, answers.managed_care, answers.to_ask,
    answers.rejections, answers.warnings, answers.trace_number, answers.reference, answers.account,
    paths.transaction_id, NULL, NULL, paths.timestamp,
    strftime('%Y-%m-%dT%H:%M:%fZ', results.received_at / 1000.0, 'unixepoch'),
    NULL
FROM paths
JOIN results ON results.seq = paths.result
LEFT JOIN tasks ON tasks.seq = results.task
LEFT JOIN answers ON answers.seq = (
    SELECT min(told.seq) FROM answers AS told
    WHERE told.result = paths.result AND told.list = paths.list AND told.position = paths.position
)
WHERE paths.list = 'successful' AND NOT EXISTS (
    SELECT 1 FROM answers AS told
    WHERE told.result = paths.result AND told.list = paths.list AND told.position = paths.position AND told.found = 1
) AND NOT EXISTS (
    SELECT 1 FROM results AS later
    WHERE later.task = results.task AND later.revision > results.revision AND later.source <> 'batch'
)
UNION ALL
SELECT
    results.seq, answers.seq, tasks.id,
    coalesce((SELECT group_concat(ref, ', ') FROM refs WHERE refs.task = tasks.seq), expected.ref),
    coalesce(tasks.correlation_id, expected.correlation_id), results.source, NULL, NULL, 0, NULL,
    NULL, NULL, answers.coverage, answers.payer, answers.payer_id,
    answers.member_id, answers.last_name, answers.first_name, answers.birth_date, answers.level, answers.plan,
    answers.group_number, answers.group_name, answers.begins, answers.ends, answers.other_payers, answers.managed_care, answers.to_ask,
    answers.rejections, answers.warnings, answers.trace_number, answers.reference, answers.account,
    NULL, answers.match, files.name, NULL,
    strftime('%Y-%m-%dT%H:%M:%fZ', results.received_at / 1000.0, 'unixepoch'),
    envelopes.test
FROM answers
JOIN results ON results.seq = answers.result
JOIN sets ON sets.seq = answers.from_set AND sets.state = 'accepted'
JOIN envelopes ON envelopes.seq = sets.envelope
JOIN files ON files.seq = sets.file AND files.state = 'ingested'
LEFT JOIN tasks ON tasks.seq = results.task
LEFT JOIN expected ON expected.seq = results.expected AND results.task IS NULL
WHERE answers.found = 1 AND NOT EXISTS (
    SELECT 1 FROM texts
    JOIN results AS polled ON polled.seq = texts.result
    WHERE texts.sha256 = sets.sha256 AND NOT EXISTS (
        SELECT 1 FROM results AS later
        WHERE later.task = polled.task AND later.revision > polled.revision AND later.source <> 'batch'
    )
);

-- Each answer of the batches that were read, those held back as tests included.
CREATE VIEW batch_answers AS
SELECT
    answers.seq AS answer,              -- the answer's row
    answers.result,                     -- the result's row
    files.name AS file,                 -- the file's name
    's' || sets.seq AS transaction_set, -- the set's number in `cdpoll quarantine`
    answers.match,                      -- matched, candidate, unmatched or test
    tasks.id,                           -- the vendor's id of the discovery that it matched
    coalesce((SELECT group_concat(ref, ', ') FROM refs WHERE refs.task = tasks.seq), expected.ref) AS refs,
        -- the caller's keys
    (SELECT group_concat(others.id, ', ') FROM candidates JOIN tasks AS others ON others.seq = candidates.task
        WHERE candidates.answer = answers.seq) AS candidates, -- the ids of tasks that it may belong to
    answers.level,
        -- whom it speaks of: subscriber, dependent; payer: it refused without naming any
    answers.coverage,                   -- active, inactive, not_covered, rejected or undetermined
    answers.payer,                      -- the payer's name
    answers.payer_id,                   -- the payer's id
    answers.member_id,                  -- of the patient, with that payer
    answers.last_name,                  -- of the patient
    answers.first_name,                 -- of the patient
    answers.birth_date,                 -- of the patient: YYYY-MM-DD
    answers.plan,                       -- what the plan is called
    answers.group_number,               -- of the plan
    answers.group_name,                 -- of the plan
    answers.begins,                     -- when the coverage begins or began: YYYY-MM-DD
    answers.ends,                       -- when it ends or ended: YYYY-MM-DD
    answers.other_payers,               -- other payers that it names, and that are to be billed
    answers.managed_care,               -- managed care plans that are to be billed
    answers.to_ask,                     -- whom it says to ask about the plan; they are not to be billed
    answers.rejections,                 -- reject reason codes of its AAA segments
    answers.warnings,                   -- codes of what is odd in it, and in its set
    answers.account,                    -- the patient's account with the provider (REF*EJ)
    answers.reference,                  -- BHT03
    answers.trace_number,               -- TRN02
    answers.originator_id,              -- TRN03
    CAST(results.body AS TEXT) AS said, -- all that it says, as JSON
    strftime('%Y-%m-%dT%H:%M:%fZ', results.received_at / 1000.0, 'unixepoch') AS received_at, -- when it was read
    envelopes.test                      -- 1 where its interchange was marked as a test
FROM answers
JOIN results ON results.seq = answers.result
JOIN sets ON sets.seq = answers.from_set AND sets.state IN ('accepted', 'test')
JOIN envelopes ON envelopes.seq = sets.envelope
JOIN files ON files.seq = sets.file AND files.state = 'ingested'
LEFT JOIN tasks ON tasks.seq = results.task
LEFT JOIN expected ON expected.seq = results.expected AND results.task IS NULL;

-- The results that count: not those of a file that is still being read, nor what is held back as a test, nor what is
-- provisional or was purged.
CREATE VIEW kept_results AS
SELECT results.* FROM results
WHERE (results.source <> 'batch' AND results.revision > 0 AND results.purged_at IS NULL) OR EXISTS (
    SELECT 1 FROM answers JOIN sets ON sets.seq = answers.from_set JOIN files ON files.seq = sets.file
    WHERE answers.result = results.seq AND files.state = 'ingested' AND sets.state = 'accepted'
);

-- What a reader follows, in the order of the numbers: each visible result, once for each ref, and each answer of a
-- batch. A later number of the same result and ref replaces the earlier ones: it tells of coverage that the result did
-- not tell before.
CREATE VIEW published AS
SELECT
    outbox.last AS number,              -- no smaller number appears once this one was seen
    outbox.result,                      -- the result's row
    outbox.ref,
        -- the caller's key that this number is for; none: there was none, or it is of a batch
    outbox.reason,
        -- result, revision, ref (it came late), file, set (it was accepted from quarantine), read (its 271s were read,
        -- and tell of coverage that was not told before)
    strftime('%Y-%m-%dT%H:%M:%fZ', outbox.at / 1000.0, 'unixepoch') AS visible_at
        -- when it became visible; none: an earlier release gave the number
FROM outbox
WHERE outbox.result IS NOT NULL
UNION ALL
SELECT outbox.first + answers.ordinal - outbox.ordinal, answers.result, NULL, outbox.reason,
    strftime('%Y-%m-%dT%H:%M:%fZ', outbox.at / 1000.0, 'unixepoch')
FROM outbox
JOIN answers ON answers.file = outbox.file
    AND answers.ordinal BETWEEN outbox.ordinal AND outbox.ordinal + outbox.last - outbox.first;
