-- What a year makes of pending tasks: nine of ten are concluded, with a result of 1,400 bytes each.
PRAGMA synchronous = OFF;
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -600000;
BEGIN;
UPDATE tasks SET state = 'concluded', outcome = 'success', due_at = NULL, concluded_by = 'poll',
    concluded_at = recorded_at + 900000 WHERE seq % 10 <> 0;
INSERT INTO refs (task, ref, added_at) SELECT seq, 'ACCT-' || seq, recorded_at FROM tasks;
INSERT INTO history (task, at, event, detail) SELECT seq, recorded_at, 'recorded', 'link' FROM tasks;
INSERT INTO history (task, at, event, detail)
    SELECT seq, concluded_at, 'concluded', 'success, by poll' FROM tasks WHERE seq % 10 <> 0;
INSERT INTO results (seq, task, source, revision, outcome, received_at, ended_at, body, body_sha256,
        canonical_sha256, derived)
    SELECT seq, seq, 'poll', 1, 'success', concluded_at, concluded_at,
        CAST(hex(randomblob(700)) AS BLOB), lower(hex(randomblob(32))), lower(hex(randomblob(32))), 9
    FROM tasks WHERE seq % 10 <> 0;
INSERT INTO paths (result, list, position, path_id, name, status, payer_id, transaction_id, timestamp)
    SELECT seq, list, 0, 'p-' || seq, 'Medicare', 'eligible', 'PAYER', lower(hex(randomblob(16))), '2026-11-29'
    FROM results, (SELECT 'successful' AS list UNION ALL SELECT 'unsuccessful');
INSERT INTO answers (seq, result, list, position, level, coverage, payer, payer_id, member_id, last_name,
        first_name, birth_date, plan, group_number, group_name, other_payers, rejections, reference, trace_number,
        originator_id, said, begins)
    SELECT seq, seq, 'successful', 0, 'subscriber', 'active', 'PLAN OF PLENTY', 'PAYER', 'M' || seq, 'EXAMPLE',
        'ANN', '1951-12-31', 'SILVER', 'G-1', 'GROUP', '', '', 'R' || seq, 'T' || seq, '9000000001',
        '{"coverage": "active"}', '2026-01-01'
    FROM results;
INSERT INTO texts (sha256, result) SELECT lower(hex(randomblob(32))), seq FROM results;
INSERT INTO outbox (last, first, result, ref, reason, at)
    SELECT seq, seq, seq, 'ACCT-' || seq, 'result', received_at FROM results;
UPDATE counters SET value = (SELECT count(*) FROM tasks) WHERE name IN ('outbox', 'results', 'answers');
COMMIT;
