"""What Django's models cannot say: partitions, the view over deliveries, triggers, storage."""

from __future__ import annotations

from django.db import migrations

EVENT = """
CREATE TABLE events_event (
    id uuid PRIMARY KEY,
    source text NOT NULL,
    type text NOT NULL,
    subject text,
    time text,
    tenant text,
    ordering_key text,
    priority smallint NOT NULL CHECK (priority BETWEEN 0 AND 2),
    datacontenttype text,
    dataschema text,
    data bytea NOT NULL,
    extensions jsonb NOT NULL DEFAULT '{}',
    traceparent text,
    producer uuid,
    producer_event_id text,
    received_at timestamptz NOT NULL,
    matched integer NOT NULL CHECK (matched >= 0),
    misses jsonb NOT NULL DEFAULT '{}'
) PARTITION BY RANGE (id);
CREATE TABLE events_event_default PARTITION OF events_event DEFAULT;
CREATE INDEX event_type ON events_event (type, id);
CREATE INDEX event_source ON events_event (source, id);
CREATE INDEX event_tenant ON events_event (tenant, id) WHERE tenant IS NOT NULL;
CREATE INDEX event_producer_id ON events_event (producer_event_id)
    WHERE producer_event_id IS NOT NULL;
"""

FINISHED = """
CREATE TABLE events_finished (
    id uuid PRIMARY KEY,
    event_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    tenant text,
    owner text,
    event_type text NOT NULL,
    state text NOT NULL CONSTRAINT finished_state
        CHECK (state IN ('delivered', 'dead', 'cancelled')),
    priority smallint NOT NULL,
    attempts integer NOT NULL CHECK (attempts >= 0),
    ordering_key text,
    webhook_id uuid NOT NULL,
    replay_id uuid,
    replay_source uuid,
    last_status integer,
    last_error text NOT NULL,
    created_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE events_finished_default PARTITION OF events_finished DEFAULT;
CREATE INDEX finished_event ON events_finished (event_id);
CREATE INDEX finished_subscription ON events_finished (subscription_id, id);
CREATE INDEX finished_dead ON events_finished (id) WHERE state = 'dead';
CREATE INDEX finished_cancelled ON events_finished (id) WHERE state = 'cancelled';
CREATE INDEX finished_owner ON events_finished (owner, id) WHERE owner IS NOT NULL;
CREATE INDEX finished_replay ON events_finished (replay_id, id) WHERE replay_id IS NOT NULL;
CREATE INDEX finished_status ON events_finished (last_status, id) WHERE last_status IS NOT NULL;
"""

ATTEMPT = """
CREATE TABLE events_attempt (
    id uuid PRIMARY KEY,
    delivery_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    late boolean NOT NULL,
    started_at timestamptz NOT NULL,
    dns_ms double precision,
    first_byte_ms double precision,
    total_ms double precision NOT NULL,
    outcome text NOT NULL,
    verdict text NOT NULL,
    status integer,
    error text NOT NULL,
    request_headers jsonb NOT NULL,
    response_headers jsonb,
    response_body bytea,
    address text NOT NULL,
    worker text NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE events_attempt_default PARTITION OF events_attempt DEFAULT;
CREATE INDEX attempt_delivery ON events_attempt (delivery_id, id);
"""

TEXT = """
CREATE TABLE events_text (
    id uuid PRIMARY KEY,
    tenant text,
    words tsvector NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE events_text_default PARTITION OF events_text DEFAULT;
CREATE INDEX text_words ON events_text USING gin (words) WITH (fastupdate = off);
"""

# A test is due at infinity, which Python has no word for. The check of each side's state lets the planner leave out the side that a filter rules out.
DELIVERY = """
CREATE VIEW events_delivery AS
SELECT id, event_id, subscription_id, tenant, owner, event_type, state, priority, attempts,
    ordering_key, webhook_id, replay_id, replay_source, last_status, last_error, created_at,
    CASE WHEN isfinite(due_at) THEN due_at END AS due_at, lease_until,
    NULL::timestamptz AS finished_at
FROM events_owed
UNION ALL
SELECT id, event_id, subscription_id, tenant, owner, event_type, state, priority, attempts,
    ordering_key, webhook_id, replay_id, replay_source, last_status, last_error, created_at,
    NULL::timestamptz, NULL::timestamptz, finished_at
FROM events_finished;
"""

# Room for updates in place, and a vacuum that keeps up with rows that live for milliseconds.
STORAGE = """
ALTER TABLE events_owed SET (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.1);
ALTER TABLE events_lane SET (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE events_ledgerentry SET (
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);
"""

EPOCH = """
INSERT INTO events_epoch (id, value) VALUES (1, 1);
CREATE FUNCTION events_move_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE events_epoch SET value = value + 1 WHERE id = 1;
    RETURN NULL;
END $$;
CREATE TRIGGER subscription_moves_epoch
    AFTER INSERT OR DELETE OR UPDATE OF types, filter, tenant, ordered, deleted_at
    ON events_subscription FOR EACH STATEMENT EXECUTE FUNCTION events_move_epoch();
"""

# Workers read a subscription anew when its version moves, so no writer may forget to move it.
VERSION = """
CREATE FUNCTION events_move_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version = OLD.version + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER subscription_moves_version
    BEFORE UPDATE ON events_subscription FOR EACH ROW EXECUTE FUNCTION events_move_version();
CREATE FUNCTION events_move_version_of_secret() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE events_subscription SET updated_at = now()
    WHERE id IN (NEW.subscription_id, OLD.subscription_id);
    RETURN NULL;
END $$;
CREATE TRIGGER secret_moves_version
    AFTER INSERT OR UPDATE OR DELETE ON events_secret
    FOR EACH ROW EXECUTE FUNCTION events_move_version_of_secret();
"""

LANE = """
CREATE FUNCTION events_make_lane() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events_lane (subscription_id, state, failures, window_total, window_failures,
                             opened_times, tokens, weight)
    VALUES (NEW.id, 'closed', 0, 0, 0, 0, 0,
            coalesce((SELECT weight FROM events_tenant WHERE name = NEW.tenant), 1));
    RETURN NULL;
END $$;
CREATE TRIGGER subscription_has_a_lane
    AFTER INSERT ON events_subscription FOR EACH ROW EXECUTE FUNCTION events_make_lane();
"""

# Volatile, so that it looks anew: the snapshot of the claim that asks may be older than the lane
# it holds, and would not show what another claim has taken from the lane in between.
IN_FLIGHT = """
CREATE FUNCTION events_in_flight(lane uuid) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (SELECT count(*) FROM events_owed
            WHERE subscription_id = lane AND state = 'in_flight');
END $$;
CREATE FUNCTION events_busy_keys(lane uuid) RETURNS text[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN ARRAY(SELECT ordering_key FROM events_owed
                 WHERE subscription_id = lane AND state = 'in_flight'
                   AND ordering_key IS NOT NULL);
END $$;
"""

AUDIT = """
CREATE FUNCTION events_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER audit_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON events_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION events_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial")]

    operations = [
        migrations.RunSQL(sql, migrations.RunSQL.noop)
        for sql in (
            EVENT,
            FINISHED,
            ATTEMPT,
            TEXT,
            DELIVERY,
            STORAGE,
            EPOCH,
            VERSION,
            LANE,
            IN_FLIGHT,
            AUDIT,
        )
    ]
