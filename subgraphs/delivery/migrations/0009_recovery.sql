CREATE TABLE "delivery"."recovery" (
	"user_id" uuid PRIMARY KEY NOT NULL,
	"until" timestamp (3) with time zone NOT NULL,
	"reached_at" timestamp (3) with time zone NOT NULL,
	"reached_id" uuid NOT NULL,
	"due_at" timestamp (3) with time zone NOT NULL
);
