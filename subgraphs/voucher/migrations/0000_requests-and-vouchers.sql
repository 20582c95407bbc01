CREATE SCHEMA IF NOT EXISTS "voucher";
--> statement-breakpoint
CREATE TABLE "voucher"."consumed_position" (
	"topic" text NOT NULL,
	"partition" integer NOT NULL,
	"position" bigint NOT NULL,
	CONSTRAINT "consumed_position_topic_partition_pk" PRIMARY KEY("topic","partition")
);
--> statement-breakpoint
CREATE TABLE "voucher"."idempotency_key" (
	"user_id" uuid NOT NULL,
	"key" text NOT NULL,
	"fingerprint" text NOT NULL,
	"request_id" uuid NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "idempotency_key_user_id_key_pk" PRIMARY KEY("user_id","key")
);
--> statement-breakpoint
CREATE TABLE "voucher"."voucher" (
	"id" uuid PRIMARY KEY NOT NULL,
	"request_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"code" text NOT NULL,
	"phone_number" text NOT NULL,
	"status" text NOT NULL,
	"requested_at" timestamp (3) with time zone NOT NULL,
	"received_at" timestamp (3) with time zone NOT NULL,
	"feed_number" integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE "voucher"."voucher_request" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"phone_number" text NOT NULL,
	"callback_url" text,
	"status" text NOT NULL,
	"failure_reason" text,
	"failure_message" text,
	"requested_at" timestamp (3) with time zone NOT NULL,
	"ended_at" timestamp (3) with time zone,
	"feed_end" uuid,
	"published_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "idempotency_key_by_expiry" ON "voucher"."idempotency_key" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "voucher_request_id" ON "voucher"."voucher" USING btree ("request_id");--> statement-breakpoint
CREATE UNIQUE INDEX "voucher_feed" ON "voucher"."voucher" USING btree ("phone_number","feed_number");--> statement-breakpoint
CREATE INDEX "voucher_request_pending" ON "voucher"."voucher_request" USING btree ("status","published_at");--> statement-breakpoint
CREATE INDEX "voucher_request_by_user" ON "voucher"."voucher_request" USING btree ("user_id","requested_at");