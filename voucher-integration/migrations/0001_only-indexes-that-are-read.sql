CREATE INDEX IF NOT EXISTS "provider_request_acknowledged" ON "integration"."provider_request" USING gin ("challenges" jsonb_path_ops) WHERE "integration"."provider_request"."challenges" <> '[]';--> statement-breakpoint
DROP INDEX IF EXISTS "integration"."provider_request_by_status";--> statement-breakpoint
DROP INDEX IF EXISTS "integration"."provider_request_by_challenge";
