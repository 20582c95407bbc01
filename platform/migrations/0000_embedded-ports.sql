CREATE SCHEMA IF NOT EXISTS "platform";
--> statement-breakpoint
CREATE TABLE "platform"."key_value" (
	"key" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "platform"."topic_message" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"topic" text NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	"headers" jsonb NOT NULL,
	"published_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "platform"."topic_position" (
	"topic" text NOT NULL,
	"consumer_group" text NOT NULL,
	"position" bigint NOT NULL,
	CONSTRAINT "topic_position_topic_consumer_group_pk" PRIMARY KEY("topic","consumer_group")
);
--> statement-breakpoint
CREATE INDEX "key_value_by_expiry" ON "platform"."key_value" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "topic_message_by_topic" ON "platform"."topic_message" USING btree ("topic","id");--> statement-breakpoint
CREATE INDEX "topic_message_by_age" ON "platform"."topic_message" USING btree ("published_at");