DROP INDEX IF EXISTS "users"."signing_key_by_age";
