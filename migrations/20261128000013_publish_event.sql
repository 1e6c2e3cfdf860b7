-- `partner_api.publish_event`: an event in a transaction of the platform's own (contract 15), for a platform whose
-- Postgres this is. The event exists if and only if that transaction commits.
--
-- The function runs with the rights of whoever migrated, so that its caller needs none on our tables. It finds them
-- where they are (the schema in which this migration finds them), whatever the caller's search_path is; pg_temp comes
-- last, so that no table of a session's own stands in for one of ours.
--
-- A role that may call it, and nothing else, is made where that is allowed. Where it is not, or where no schema may be
-- made (managed databases), the migration goes on without: docs/publishing.md says what to run then.

DO $made$
DECLARE
    tables text := (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = 'events'::regclass);
BEGIN
    IF to_regnamespace('partner_api') IS NULL THEN
        CREATE SCHEMA partner_api;
    END IF;
    EXECUTE format($create$
CREATE FUNCTION partner_api.publish_event(
    org_id uuid, stream text, type text, data json, subject text DEFAULT NULL, event_id text DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, %I, pg_temp
AS $function$
#variable_conflict use_variable
DECLARE
    sent text := data::text;
    instant timestamptz := date_trunc('milliseconds', clock_timestamp());
    named uuid := CASE WHEN event_id ~ '^evt_[0-9a-f]{32}$' THEN substr(event_id, 5)::uuid END;
    -- A UUIDv7 (RFC 9562 5.7): the instant, then the random part of a v4.
    fresh uuid := (lpad(to_hex((extract(epoch FROM instant) * 1000)::bigint), 12, '0') || '7'
                   || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid;
    body  text;
    id    uuid;
BEGIN
    IF org_id IS NULL OR NOT EXISTS (SELECT FROM orgs o WHERE o.id = org_id) THEN
        RAISE EXCEPTION 'org_id: there is no such org' USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF stream IS NULL OR NOT EXISTS (SELECT FROM streams s WHERE s.name = stream) THEN
        RAISE EXCEPTION 'stream: must be the name of one of the platform''s streams' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF type IS NULL OR NOT EXISTS (SELECT FROM stream_types t WHERE t.type = publish_event.type AND t.stream = publish_event.stream) THEN
        RAISE EXCEPTION 'type: must be a type of this stream' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF json_typeof(data) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'data: must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF octet_length(sent) > 196608 THEN
        RAISE EXCEPTION 'data: must have at most 196608 bytes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF length(subject) NOT BETWEEN 1 AND 200 OR subject ~ '[[:cntrl:]]' THEN
        RAISE EXCEPTION 'subject: must have 1 to 200 printable characters' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF length(event_id) NOT BETWEEN 1 AND 100 OR event_id ~ '[[:cntrl:]]' THEN
        RAISE EXCEPTION 'event_id: must have 1 to 100 printable characters' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF event_id LIKE 'evt\_%%' AND named IS NULL THEN
        RAISE EXCEPTION 'event_id: evt_ is followed by 32 hexadecimal digits in lower case' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    body := '{"type":"' || type || '","timestamp":"' || to_char(instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
            || '","org_id":"' || org_id::text || '","data":' || sent || '}';
    INSERT INTO events AS e (org_id, id, external_id, stream, type, body, subject, created_at, next_attempt_at)
    VALUES (org_id, coalesce(named, fresh), CASE WHEN named IS NULL THEN event_id END, stream, type, body, subject, instant, instant)
    ON CONFLICT DO NOTHING RETURNING e.id INTO id;
    IF id IS NULL THEN
        SELECT e.id INTO id FROM events e
        WHERE e.org_id = publish_event.org_id AND (e.id = named OR (named IS NULL AND e.external_id = event_id));
    END IF;
    IF id IS NULL THEN
        -- Committed after this transaction's snapshot was taken.
        RAISE EXCEPTION 'event_id: was published meanwhile' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN 'evt_' || replace(id::text, '-', '');
END
$function$ $create$, tables);
    REVOKE ALL ON FUNCTION partner_api.publish_event FROM PUBLIC;
    COMMENT ON FUNCTION partner_api.publish_event IS
        'Publishes an event to an org, in this transaction; gives its id. Its data is not held against the schema of its type.';
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'partner_api.publish_event was not made: % (docs/publishing.md)', SQLERRM;
    WHEN duplicate_function THEN
        RAISE NOTICE 'partner_api.publish_event is another installation''s, and stays so';
END
$made$;

DO $role$
BEGIN
    IF to_regrole('partner_api_publisher') IS NULL THEN
        CREATE ROLE partner_api_publisher NOLOGIN;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'the role partner_api_publisher was not made: % (docs/publishing.md)', SQLERRM;
    -- Another database's migration was quicker.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$role$;

DO $granted$
BEGIN
    IF to_regrole('partner_api_publisher') IS NOT NULL
        AND to_regprocedure('partner_api.publish_event(uuid, text, text, json, text, text)') IS NOT NULL
    THEN
        GRANT USAGE ON SCHEMA partner_api TO partner_api_publisher;
        GRANT EXECUTE ON FUNCTION partner_api.publish_event TO partner_api_publisher;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'partner_api_publisher was given nothing: % (docs/publishing.md)', SQLERRM;
END
$granted$;
