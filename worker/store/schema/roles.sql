-- What the roles of cdpoll may do with its tables in PostgreSQL: run by the owner, each time that tables are made or
-- changed, and by `cdpoll db migrate`. A role that is not there is left out. docs/postgresql.md says how they are made.

DO $$
DECLARE
    here TEXT := quote_ident(current_schema());
    present TEXT;
BEGIN
    IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'tasks'::regclass), 'USAGE') THEN
        RAISE EXCEPTION 'permission denied: these tables are not this user''s' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR present IN SELECT rolname FROM pg_roles
        WHERE rolname IN ('cdpoll_daemon', 'cdpoll_recorder', 'cdpoll_reader', 'cdpoll_views') LOOP
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %s FROM %s', here, present);
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', here, present);
    END LOOP;

    -- The daemon, and a person who does what it does: every row, and no table.
    IF to_regrole('cdpoll_daemon') IS NOT NULL THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO cdpoll_daemon', here);
        REVOKE UPDATE, DELETE ON acts FROM cdpoll_daemon;
    END IF;

    -- `cdpoll record`: it adds, and reads ids, refs and what says whether an id is known. No result, answer or body,
    -- and nothing of what it was told of a patient: what needs more is left in the spool.
    IF to_regrole('cdpoll_recorder') IS NOT NULL THEN
        GRANT SELECT ON api, callback_lane, meta, counters TO cdpoll_recorder;
        GRANT UPDATE (id) ON api TO cdpoll_recorder;  -- for the lock of all writers; the id can only be 1
        GRANT INSERT, UPDATE, DELETE ON meta TO cdpoll_recorder;
        GRANT INSERT ON tasks, refs, history, lookups, unreadable, outbox TO cdpoll_recorder;
        GRANT SELECT (seq, id, state, purged_at, origin, correlation_id, trace_id, subtenant),
            UPDATE (correlation_id, trace_id, subtenant, origin) ON tasks TO cdpoll_recorder;
        GRANT SELECT (task, ref) ON refs TO cdpoll_recorder;
        GRANT SELECT (seq, correlation_id, ref, state),
            UPDATE (state, recorded_at, due_at, leased_until, searches, failures, last_error, ended_at)
            ON lookups TO cdpoll_recorder;
        GRANT SELECT (seq, task) ON kept_results TO cdpoll_recorder;
        GRANT UPDATE ON counters TO cdpoll_recorder;
    END IF;

    -- Commands that read, and programs that export: every row but the tokens of callers; and they note what was read.
    IF to_regrole('cdpoll_reader') IS NOT NULL THEN
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %s TO cdpoll_reader', here);
        REVOKE SELECT ON callback_tokens FROM cdpoll_reader;
        GRANT INSERT ON acts, cursors TO cdpoll_reader;
        GRANT UPDATE ON cursors TO cdpoll_reader;
        GRANT INSERT, UPDATE, DELETE ON leases TO cdpoll_reader;  -- of the cursor that an export follows
    END IF;

    -- Tools for reports: the views.
    IF to_regrole('cdpoll_views') IS NOT NULL THEN
        GRANT SELECT ON tasks_overview, found_coverage, batch_answers, kept_results, published TO cdpoll_views;
    END IF;
END $$;
