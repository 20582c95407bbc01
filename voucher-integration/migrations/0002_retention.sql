CREATE INDEX IF NOT EXISTS "provider_request_by_age" ON "integration"."provider_request" USING btree ("requested_at");
