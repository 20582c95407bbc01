CREATE SCHEMA IF NOT EXISTS "integration";
--> statement-breakpoint
CREATE TABLE "integration"."provider_request" (
	"request_id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"phone_number" text NOT NULL,
	"requested_at" timestamp (3) with time zone NOT NULL,
	"status" text NOT NULL,
	"challenges" jsonb NOT NULL,
	"held" jsonb NOT NULL,
	"attempts" integer NOT NULL,
	"last_error" text,
	"code" text,
	"voucher_status" text,
	"received_at" timestamp (3) with time zone,
	"failure_reason" text,
	"failed_at" timestamp (3) with time zone,
	"unclaimed_code" text,
	"unclaimed_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE INDEX "provider_request_by_status" ON "integration"."provider_request" USING btree ("status","requested_at");--> statement-breakpoint
CREATE INDEX "provider_request_by_challenge" ON "integration"."provider_request" USING gin ("challenges");