CREATE TABLE "platform"."outbox" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"topic" text NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	"headers" jsonb NOT NULL
);
--> statement-breakpoint
CREATE INDEX "outbox_by_topic" ON "platform"."outbox" USING btree ("topic","id");