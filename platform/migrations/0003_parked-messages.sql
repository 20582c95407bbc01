CREATE TABLE "platform"."consumer_group" (
	"topic" text NOT NULL,
	"consumer_group" text NOT NULL,
	CONSTRAINT "consumer_group_topic_consumer_group_pk" PRIMARY KEY("topic","consumer_group")
);
--> statement-breakpoint
CREATE TABLE "platform"."parked_message" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"topic" text NOT NULL,
	"consumer_group" text NOT NULL,
	"key_hash" text NOT NULL,
	"partition" integer NOT NULL,
	"position" bigint NOT NULL,
	"published_at" bigint NOT NULL,
	"message" text NOT NULL,
	"error_code" text NOT NULL,
	"error_message" text NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"is_replay" boolean DEFAULT false NOT NULL,
	"parked_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"retry_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX "parked_message_once" ON "platform"."parked_message" USING btree ("topic","consumer_group","partition","position","published_at");--> statement-breakpoint
CREATE INDEX "parked_message_by_key" ON "platform"."parked_message" USING btree ("topic","consumer_group","key_hash","id");