-- The database and the roles of cdpoll, on a PostgreSQL server of version 15 or later. As a superuser, once:
--     psql --file packaging/postgresql/roles.sql postgres
-- Then give each that logs in a password (\password cdpoll_daemon) or a line in pg_hba.conf, and as cdpoll_owner make
-- the tables: `cdpoll db migrate`. It grants what each role may do (worker/store/schema/roles.sql), and does so again
-- after each change of the tables. Leave out the roles that you do not need, but not the first.

CREATE ROLE cdpoll_owner LOGIN;     -- makes and changes the tables
CREATE ROLE cdpoll_daemon LOGIN;    -- cdpoll run, serve and deliver, and what a person does by hand
CREATE ROLE cdpoll_recorder LOGIN;  -- cdpoll record, and nothing else
CREATE ROLE cdpoll_reader LOGIN;    -- commands that read, and cdpoll export
CREATE ROLE cdpoll_views LOGIN;     -- tools for reports: the views

CREATE DATABASE cdpoll OWNER cdpoll_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE cdpoll FROM PUBLIC;
GRANT CONNECT ON DATABASE cdpoll TO cdpoll_daemon, cdpoll_recorder, cdpoll_reader, cdpoll_views;
